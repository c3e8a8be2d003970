"""Mistral's own dialects beside the chat it shares with OpenAI: OCR by the page, and fill-in-the-middle.

Source: docs.mistral.ai/api. FIM answers are chat completions, read as such; OCR reports `usage_info` with pages instead of tokens.
"""

from __future__ import annotations

from typing import Any

from proxy.providers.document import DocumentReader
from proxy.providers.fields import items, mapping


class OcrReader(DocumentReader):
    """Reads one recognised document. Its text is not taken as output_text: pages of markdown are the document, not an answer."""

    dialect = "mistral.ocr"
    operation = "ocr"

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document looks like recognised pages."""
        pages = items(mapping(document).get("pages"))
        return bool(pages) and isinstance(pages[0], dict) and "markdown" in pages[0]

    def usage(self) -> dict[str, Any]:
        """The provider's usage object."""
        return mapping(self.document.get("usage_info"))
