"""OpenAI's images: generations, edits and variations, whole and streamed.

Source: platform.openai.com/docs/api-reference/images, /images-streaming. GPT Image models report tokens by modality, DALL·E
reports nothing: its usage is unknown. A streamed answer ends with `image_generation.completed` or
`image_edit.completed`, which carries the usage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.exchange import Captured, Reading
from proxy.providers.document import DocumentReader
from proxy.providers.fields import items


class ImagesReader(DocumentReader):
    """Reads one answer with images."""

    dialect = "openai.images"
    operation = "generate_content"
    source = "https://platform.openai.com/docs/api-reference/images"
    reads = "tokens by modality, number of images, error"
    unknown = "usage of DALL·E, which reports none"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._completed = 0

    def feed(self, name: str | None, data: Any) -> None:
        """Take the whole answer or one event; partial images tell nothing."""
        kind = data.get("type") if isinstance(data, dict) else None
        if isinstance(kind, str) and kind.endswith(".completed"):
            self._completed += 1
        elif isinstance(kind, str) and kind.endswith(".partial_image"):
            return
        super().feed(name, data)

    def terminal(self) -> bool | None:
        """Whether a stream's last image came."""
        return self._completed > 0 and self.error is None

    def result(self) -> Reading:
        """Tell what has been understood so far; images are counted where usage is reported."""
        reading = super().result()
        if reading.usage is None:
            return reading
        made = self._completed or len(items(self.document.get("data")))
        return replace(reading, usage=replace(reading.usage, images=made or None))
