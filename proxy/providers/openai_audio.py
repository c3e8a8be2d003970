"""OpenAI's audio: transcriptions and translations (audio in, text out, as JSON, plain text, subtitles or a stream) and speech (audio out).

Source: platform.openai.com/docs/api-reference/audio. Usage is in tokens (gpt-4o-transcribe) or in seconds (whisper-1). Plain text,
subtitles and speech have none, unless speech is streamed as events.
"""

from __future__ import annotations

from typing import Any

from proxy.exchange import Captured
from proxy.providers.document import DocumentReader
from proxy.providers.fields import text


class TranscriptionReader(DocumentReader):
    """Reads one transcription or translation."""

    dialect = "openai.audio.transcriptions"
    operation = "transcription"
    source = "https://platform.openai.com/docs/api-reference/audio"
    reads = "transcript, tokens or seconds, error"
    unknown = "usage of answers as plain text or subtitles"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._pieces: list[str] = []
        self._plain: str | None = None
        self._ended = False

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer (a document or its text), or one event."""
        if isinstance(data, str):
            if data == "[DONE]":
                self._ended = True
            elif (self.captured.status or 0) < 400:
                self._plain = data
                return
        if isinstance(data, dict):
            kind = data.get("type")
            if kind in ("transcript.text.delta", "transcription.text.delta"):
                self._pieces.append(text(data.get("delta")) or text(data.get("text")) or "")
                return
            self._ended = self._ended or kind in ("transcript.text.done", "transcription.done")
        super().feed(name, data)

    def output_text(self) -> str | None:
        """The transcript."""
        whole = self.document.get("text")
        return (whole if isinstance(whole, str) else None) or "".join(self._pieces) or self._plain or None

    def terminal(self) -> bool | None:
        """Whether the stream's `transcript.text.done` came."""
        return self._ended and self.error is None


class SpeechReader(DocumentReader):
    """Reads one answer with speech: sound as it is, inside JSON (Mistral), or as events."""

    dialect = "openai.audio.speech"
    operation = "text_to_speech"
    source = "https://platform.openai.com/docs/api-reference/audio/createSpeech"
    reads = "tokens of a stream of events, error"
    unknown = "usage of sound that comes as it is"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._ended = False

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer or one event; sound itself tells nothing."""
        kind = text(data.get("type")) if isinstance(data, dict) else None
        if kind == "speech.audio.delta":
            return
        self._ended = self._ended or kind in ("speech.audio.done", "speech.done") or data == "[DONE]"
        super().feed(name, data)

    def terminal(self) -> bool | None:
        """Whether the stream's `speech.audio.done` came."""
        return self._ended and self.error is None
