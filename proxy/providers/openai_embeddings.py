"""OpenAI's embeddings, as Azure, Mistral, Voyage, Perplexity, OpenRouter and local servers speak them too.

Source: platform.openai.com/docs/api-reference/embeddings. Nothing is generated: output_tokens are what the host says (some
say 0), else unknown.
"""

from __future__ import annotations

from typing import Any

from proxy.providers.document import DocumentReader
from proxy.providers.fields import items, mapping


class EmbeddingsReader(DocumentReader):
    """Reads one answer with embeddings."""

    dialect = "openai.embeddings"
    operation = "embeddings"
    source = "https://platform.openai.com/docs/api-reference/embeddings"
    reads = "tokens, error"
    unknown = "vectors are not kept as text"

    @staticmethod
    def recognises(document: Any) -> bool:
        """Whether a document looks like a list of embeddings."""
        data = items(mapping(document).get("data"))
        return bool(data) and isinstance(data[0], dict) and data[0].get("object") == "embedding"
