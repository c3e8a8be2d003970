"""OpenAI's moderations: free, so they report no usage; Mistral's classifiers speak alike and do.

Source: platform.openai.com/docs/api-reference/moderations, docs.mistral.ai/api (classifiers).
"""

from __future__ import annotations

from proxy.providers.document import DocumentReader


class ModerationsReader(DocumentReader):
    """Reads one moderation; whether it was flagged is the answer's content, and no finish reason."""

    dialect = "openai.moderations"
    operation = "moderation"
    source = "https://platform.openai.com/docs/api-reference/moderations"
    reads = "model, id, error"
    unknown = "nothing is billed"
