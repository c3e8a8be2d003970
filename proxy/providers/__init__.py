"""The shelf of dialects: one line each, and how an exchange finds its own."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from proxy.exchange import Captured, Reading
from proxy.providers import (
    aleph_alpha,
    anthropic,
    anthropic_completions,
    bedrock,
    bedrock_agent,
    bedrock_invoke,
    cloudflare,
    cohere,
    cohere_units,
    gemini,
    gemini_embeddings,
    gemini_interactions,
    gemini_live,
    generated_text,
    llama_cpp,
    mistral,
    ollama,
    openai_audio,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_images,
    openai_moderations,
    openai_other,
    openai_realtime,
    openai_responses,
    replicate,
    sagemaker,
    silent,
    watsonx,
)
from proxy.providers.contract import Reader


class Dialect(NamedTuple):
    """A line of the shelf. A dialect is found by its path (a regular expression searched in it), among the upstreams named if any are.

    A reader class may also say `recognises(document) -> bool` (a staticmethod): asked with the first document or event where no path fits.
    """

    reader: type[Reader]
    path: str
    upstream: str = ""  # a regular expression for the whole of the upstream's name or dialect hint; empty: any


_GOOGLE = r"google(?:-vertex)?|gemini|vertex"
_AMAZON = r"(?:aws-|amazon-)?bedrock(?:-agent)?|aws"

# Order matters: the first line that fits wins, so special ones stand before general ones.
SHELF: tuple[Dialect, ...] = (
    Dialect(silent.AnthropicCountTokens, r"/messages/count_tokens$|/publishers/anthropic/models/count-tokens:rawPredict$"),
    Dialect(silent.AnthropicBatches, r"/v1/messages/batches(?:/|$)"),
    Dialect(anthropic.Messages, r"/v1/messages$|/publishers/anthropic/models/[^/]+:(?:streamRawPredict|rawPredict)$"),
    Dialect(mistral.OcrReader, r"/publishers/mistralai/models/mistral-ocr[^/]*:rawPredict$"),
    Dialect(openai_chat.ChatReader, r"/(?:publishers/[^/]+/models|endpoints)/[^/]+:(?:streamRawPredict|rawPredict)$"),
    Dialect(anthropic_completions.Completions, r"/v1/complete$"),
    Dialect(silent.AnthropicOther, r"/v1/(?:files|skills|models|organizations)(?:/|$)", r"anthropic"),
    Dialect(gemini.GenerateContent, r":(?:generateContent|streamGenerateContent)$"),
    Dialect(gemini_embeddings.EmbedContent, r":(?:embedContent|batchEmbedContents)$"),
    Dialect(silent.GeminiCountTokens, r":(?:countTokens|computeTokens)$"),
    Dialect(gemini_embeddings.Predict, r":predict$"),
    Dialect(gemini_interactions.Interactions, r"/interactions(?:/[^/]+)?$"),
    Dialect(silent.GoogleOther, r"/v1(?:alpha|beta\d*|main)?/(?:.+/)?(?:models|operations|files|cachedContents)(?:[/:]|$)", _GOOGLE),
    Dialect(silent.GoogleOther, r"/v1(?:alpha|beta\d*|main)?/(?:.+/)?(?:fileSearchStores|tunedModels)(?:[/:]|$)", _GOOGLE),
    Dialect(silent.BedrockCountTokens, r"/model/.+/count-tokens$"),
    Dialect(bedrock.Converse, r"/model/.+/converse(?:-stream)?$"),
    Dialect(bedrock_invoke.Invoke, r"/model/.+/invoke(?:-with-response-stream)?$"),
    Dialect(bedrock_agent.Agent, r"^/agents/[^/]+(?:/agentAliases/[^/]+/sessions/[^/]+/text)?$|/retrieveAndGenerate(?:Stream)?$"),
    Dialect(bedrock_agent.Agent, r"^/flows/[^/]+/aliases/[^/]+$"),
    Dialect(silent.BedrockOther, r"^/(?:guardrail|knowledgebases|async-invoke|foundation-models|inference-profiles)(?:/|$)", _AMAZON),
    Dialect(silent.BedrockOther, r"^/rerank$", _AMAZON),
    Dialect(cohere.ChatV2, r"/v2/chat$"),
    Dialect(cohere.ChatV1, r"/v1/chat$", r".*cohere.*"),  # others have an OpenAI-like chat there
    Dialect(cohere_units.Embed, r"/v[12]/embed$"),
    Dialect(cohere_units.Rerank, r"/rerank$"),
    Dialect(cohere_units.Generate, r"/v1/generate$"),
    Dialect(silent.CohereOther, r"/v1/(?:(?:de)?tokenize|classify|summarize|check-api-key|datasets|embed-jobs)(?:/|$)", r"cohere"),
    Dialect(ollama.Chat, r"/api/chat$"),
    Dialect(ollama.Generate, r"/api/generate$"),
    Dialect(ollama.Embed, r"/api/embed(?:dings)?$"),
    Dialect(silent.OllamaOther, r"/api/(?:show|tags|ps|version|pull|push|create|copy|delete|blobs)(?:/|$)", r"ollama"),
    Dialect(watsonx.Generation, r"^/ml/v1[^/]*/(?:deployments/[^/]+/)?(?:text/generation(?:_stream)?|generation/text(?:_stream)?)$"),
    Dialect(watsonx.Embeddings, r"^/ml/v1[^/]*/(?:deployments/[^/]+/)?text/(?:embeddings|rerank)$"),
    Dialect(watsonx.Chat, r"^/ml/v1[^/]*/(?:deployments/[^/]+/)?text/chat(?:_stream)?$"),
    Dialect(silent.WatsonxOther, r"^/ml/v"),
    Dialect(replicate.Predictions, r"/predictions(?:/[^/]+)?$"),
    Dialect(silent.ReplicateOther, r"^/v1/", r"replicate"),
    Dialect(sagemaker.SageMaker, r"^/endpoints/[^/]+/invocations(?:-response-stream)?$"),
    Dialect(aleph_alpha.AlephAlpha, r"^/complete$"),
    Dialect(generated_text.GeneratedText, r"^/(?:hf-inference/)?(?:models|pipeline)/(?!.*/v1/)", r".*hugging.?face.*|hf"),
    Dialect(generated_text.GeneratedText, r"^/generate(?:_stream)?$"),
    Dialect(openai_chat.ChatReader, r"/(?:chat|fim|agents)/completions$"),
    Dialect(openai_completions.CompletionsReader, r"/completions$"),
    Dialect(openai_responses.InputTokensReader, r"/responses/input_tokens$"),
    Dialect(openai_responses.ResponsesReader, r"/responses(?:/[^/]+(?:/cancel)?)?$"),
    Dialect(openai_embeddings.EmbeddingsReader, r"/(?:multimodal|contextualized)?embeddings$"),
    Dialect(openai_images.ImagesReader, r"/images/(?:generations|edits|variations)$"),
    Dialect(openai_audio.TranscriptionReader, r"/audio/(?:transcriptions|translations)$"),
    Dialect(openai_audio.SpeechReader, r"/audio/speech$"),
    Dialect(openai_moderations.ModerationsReader, r"/moderations$|/classifications$"),
    Dialect(mistral.OcrReader, r"/ocr$"),
    Dialect(mistral.ConversationsReader, r"/v1/conversations(?:/[^/]+(?:/restart)?)?$", r"mistral"),
    Dialect(cloudflare.RunReader, r"/ai/run/.+$"),
    Dialect(llama_cpp.CompletionReader, r"/completion$|/infill$"),
    Dialect(openai_chat.CortexReader, r"/cortex/inference:complete$"),
    Dialect(openai_other.AssistantsReader, r"/threads(?:/[^/]+)?/runs(?:/[^/]+(?:/submit_tool_outputs)?)?$"),
    Dialect(
        openai_other.OpenAIOther,
        r"/(?:files|batches|uploads|vector_stores|fine_tuning|fine-tunes|models|assistants|threads|conversations|containers|evals|videos"
        r"|realtime/client_secrets|realtime/calls|realtime/sessions|chat/completions|responses|organization)(?:/|$)",
        r"openai|azure",
    ),
)


class SessionReader(Protocol):
    """The reader of a WebSocket session: fed each message (text, or bytes) with its direction, 'client' or 'upstream'; never raises."""

    def __init__(self, captured: Captured) -> None: ...

    def feed(self, direction: str, message: bytes | str) -> None:
        """Take the next message."""

    def result(self) -> Reading:
        """Tell what has been understood so far."""


class Session(NamedTuple):
    """A line of the shelf of WebSocket sessions: found by its path, else by the keys or the `type` of a message among the first."""

    reader: type[SessionReader]
    path: str
    looks: str  # a regular expression for a message's beginning


SESSIONS: tuple[Session, ...] = (
    Session(gemini_live.LiveReader, gemini_live.PATH, r'\s*\{\s*"setup(?:Complete)?"'),
    Session(openai_realtime.RealtimeReader, r"/realtime(?:/|$)|/responses$", r'.{0,200}"type"\s*:\s*"\w*(?:session|response)\.'),
)


def find_reader(captured: Captured) -> type[Reader] | None:
    """Give the reader whose path fits, asking the dialect hint first and then the upstream's name; None: look at the bytes."""
    return _by_path(captured.path, captured.dialect_hint or "", captured.upstream)


def recognise_reader(document: Any) -> type[Reader] | None:
    """Give the reader that knows a document or a stream's event by its looks; None: nobody does."""
    for line in SHELF:
        recognises = getattr(line.reader, "recognises", None)
        if recognises is not None and recognises(document):
            return line.reader
    return None


def find_session_reader(captured: Captured, start: str) -> type[SessionReader] | None:
    """Give the reader of a WebSocket session by its path, or by `start`, the beginning of one of its first messages."""
    for by_path in (True, False):
        for line in SESSIONS:
            if re.search(line.path, captured.path) if by_path else re.match(line.looks, start, re.DOTALL):
                return line.reader
    return None


_COMPILED = tuple((line.reader, re.compile(line.path), re.compile(line.upstream) if line.upstream else None) for line in SHELF)


@lru_cache(maxsize=4096)
def _by_path(path: str, hint: str, upstream: str) -> type[Reader] | None:
    for reader, fits, names in _COMPILED:
        if fits.search(path) and (names is None or names.fullmatch(hint) or names.fullmatch(upstream)):
            return reader
    return None
