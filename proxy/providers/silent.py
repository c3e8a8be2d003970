"""Endpoints that ask no model for an answer (token counts, lists, files, batch jobs): only the asked model and an error are read.

A token count is no usage: nothing was generated and nothing is billed for it. A batch's results were billed when the batch ran, and
may be fetched any number of times, so they are no usage of the fetching exchange either.
"""

from __future__ import annotations

from typing import Any, ClassVar

from proxy.exchange import Captured, Reading
from proxy.providers.amazon_errors import document_error
from proxy.providers.base import BaseReader
from proxy.providers.errors import find_error
from proxy.providers.fields import word
from proxy.providers.paths import path_model


class Silent(BaseReader):
    """Reads an exchange whose answer holds no model output."""

    dialect: ClassVar[str] = "silent"
    reads: ClassVar[str] = "asked model, error"
    unknown: ClassVar[str] = "nothing was generated: there is no usage"

    def __init__(self, captured: Captured, request: Any) -> None:
        super().__init__(captured, request)
        self._error: tuple[str | None, str | None] | None = None
        self._documents = 0

    def feed(self, name: str | None, data: Any) -> None:
        """Only the first document can be an error answer: later lines of a batch's results tell of single failed requests."""
        self._documents += 1
        if self._documents == 1 and isinstance(data, dict) and not isinstance(data.get("id"), str):
            self._error = find_error(data)

    def result(self) -> Reading:
        """Tell what has been understood so far."""
        error_type, error_message = self._error or (None, None)
        return Reading(
            dialect=self.dialect,
            operation=self.operation,
            is_stream=self.is_stream,
            request_model=word(self.request.get("model")) or path_model(self.captured.path),
            error_type=error_type,
            error_message=error_message,
        )


class AnthropicCountTokens(Silent):
    """POST /v1/messages/count_tokens."""

    dialect = "anthropic.count_tokens"
    operation = "count_tokens"
    source = "https://docs.claude.com/en/api/messages-count-tokens"


class AnthropicBatches(Silent):
    """Everything under /v1/messages/batches."""

    dialect = "anthropic.batches"
    operation = "batch"
    source = "https://docs.claude.com/en/api/creating-message-batches"
    unknown = "results were billed when the batch ran: fetching them is no usage"


class AnthropicOther(Silent):
    """Files, skills, models and the administration API of Anthropic."""

    dialect = "anthropic.other"
    source = "https://docs.claude.com/en/api"


class GeminiCountTokens(Silent):
    """:countTokens and :computeTokens, on Gemini's own host and on Vertex AI."""

    dialect = "gemini.countTokens"
    operation = "count_tokens"
    source = "https://ai.google.dev/api/tokens"


class GoogleOther(Silent):
    """Files, caches, stores, operations and lists of the Gemini API and of Vertex AI."""

    dialect = "gemini.other"
    source = "https://ai.google.dev/api"
    unknown = "answers of long-running operations, such as videos"


class AmazonSilent(Silent):
    """As Silent; Amazon tells an error's type in a header."""

    def feed(self, name: str | None, data: Any) -> None:
        """Take the document."""
        self._error = self._error or document_error(self.captured, data)


class BedrockCountTokens(AmazonSilent):
    """POST /model/{id}/count-tokens."""

    dialect = "bedrock.count-tokens"
    operation = "count_tokens"
    source = "https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html"


class BedrockOther(AmazonSilent):
    """Guardrails, retrieval from knowledge bases, async jobs and the control plane of Bedrock."""

    dialect = "bedrock.other"
    source = "https://docs.aws.amazon.com/bedrock/latest/APIReference"


class CohereOther(Silent):
    """Tokenize, detokenize, classify, models, datasets and jobs of Cohere."""

    dialect = "cohere.other"
    source = "https://docs.cohere.com/reference"


class OllamaOther(Silent):
    """Everything of Ollama that runs no model: show, tags, ps, version, pull, create, copy, delete."""

    dialect = "ollama.other"
    source = "https://github.com/ollama/ollama/blob/main/docs/api.md"


class WatsonxOther(Silent):
    """Instances, model lists, tokenization and deployments of watsonx.ai."""

    dialect = "watsonx.other"
    source = "https://cloud.ibm.com/apidocs/watsonx-ai"


class ReplicateOther(Silent):
    """Models, versions, files, deployments and lists of Replicate."""

    dialect = "replicate.other"
    source = "https://replicate.com/docs/reference/http"
