"""The public endpoints of the well-known providers, as data, so that nothing needs configuring.

A name here is the first path segment of a base URL. A dialect is named only where path and bytes would not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from config.options import VERTEX_URL


@dataclass(frozen=True, slots=True)
class Builtin:
    """One provider that needs no configuration, or says what it needs."""

    url: str | None  # None: every customer has an address of their own
    docs: str  # where the provider describes its API
    dialect: str | None = None
    region: str | None = None  # default for {region} in the URL

    def options(self) -> dict[str, str]:
        """What an `[upstreams.NAME]` table would say."""
        found = {"url": self.url, "dialect": self.dialect, "region": self.region}
        return {key: value for key, value in found.items() if value is not None}


BUILTIN: Mapping[str, Builtin] = MappingProxyType(
    {
        "openai": Builtin("https://api.openai.com", "https://platform.openai.com/docs/api-reference", "openai"),
        "anthropic": Builtin("https://api.anthropic.com", "https://docs.claude.com/en/api", "anthropic"),
        "google": Builtin("https://generativelanguage.googleapis.com", "https://ai.google.dev/api"),
        "google-vertex": Builtin(VERTEX_URL, "https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest"),
        "azure": Builtin(None, "https://learn.microsoft.com/azure/ai-services/openai/reference"),
        "aws-bedrock": Builtin(
            "https://bedrock-runtime.{region}.amazonaws.com", "https://docs.aws.amazon.com/bedrock/latest/APIReference", region="us-east-1"
        ),
        "aws-bedrock-agent": Builtin(
            "https://bedrock-agent-runtime.{region}.amazonaws.com",
            "https://docs.aws.amazon.com/bedrock/latest/APIReference",
            region="us-east-1",
        ),
        "aws-bedrock-mantle": Builtin(
            "https://bedrock-mantle.{region}.api.aws", "https://docs.aws.amazon.com/bedrock/latest/userguide", region="us-east-1"
        ),
        "mistral": Builtin("https://api.mistral.ai", "https://docs.mistral.ai/api"),
        "cohere": Builtin("https://api.cohere.com", "https://docs.cohere.com/reference"),
        "groq": Builtin("https://api.groq.com", "https://console.groq.com/docs/api-reference"),
        "x-ai": Builtin("https://api.x.ai", "https://docs.x.ai/docs/api-reference"),
        "deepseek": Builtin("https://api.deepseek.com", "https://api-docs.deepseek.com"),
        "openrouter": Builtin("https://openrouter.ai", "https://openrouter.ai/docs/api-reference"),
        "together": Builtin("https://api.together.xyz", "https://docs.together.ai/reference"),
        "fireworks": Builtin("https://api.fireworks.ai", "https://docs.fireworks.ai/api-reference"),
        "perplexity": Builtin("https://api.perplexity.ai", "https://docs.perplexity.ai/api-reference"),
        "cerebras": Builtin("https://api.cerebras.ai", "https://inference-docs.cerebras.ai/api-reference"),
        "huggingface": Builtin("https://router.huggingface.co", "https://huggingface.co/docs/inference-providers"),
        "ollama": Builtin("http://127.0.0.1:11434", "https://github.com/ollama/ollama/blob/main/docs/api.md"),
        "lmstudio": Builtin("http://127.0.0.1:1234", "https://lmstudio.ai/docs/api"),
        "vllm": Builtin("http://127.0.0.1:8000", "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html"),
        "vercel-gateway": Builtin("https://ai-gateway.vercel.sh", "https://vercel.com/docs/ai-gateway"),
        "moonshotai": Builtin("https://api.moonshot.ai", "https://platform.moonshot.ai/docs/api"),
        "databricks": Builtin(None, "https://docs.databricks.com/machine-learning/foundation-model-apis/api-reference"),
        "snowflake": Builtin(None, "https://docs.snowflake.com/user-guide/snowflake-cortex/cortex-rest-api"),
        "replicate": Builtin("https://api.replicate.com", "https://replicate.com/docs/reference/http"),
        "voyage": Builtin("https://api.voyageai.com", "https://docs.voyageai.com/reference"),
        "zai": Builtin("https://api.z.ai", "https://docs.z.ai/api-reference"),
        "zhipuai": Builtin("https://open.bigmodel.cn", "https://docs.bigmodel.cn/api-reference"),
        "nvidia": Builtin("https://integrate.api.nvidia.com", "https://docs.api.nvidia.com/nim/reference"),
        "sambanova": Builtin("https://api.sambanova.ai", "https://docs.sambanova.ai/docs/en/api-reference"),
        "github-models": Builtin("https://models.github.ai", "https://docs.github.com/rest/models"),
        "alibaba": Builtin("https://dashscope-intl.aliyuncs.com", "https://www.alibabacloud.com/help/model-studio"),
        "cloudflare": Builtin("https://api.cloudflare.com", "https://developers.cloudflare.com/workers-ai"),
        "deepinfra": Builtin("https://api.deepinfra.com", "https://deepinfra.com/docs"),
        "watsonx": Builtin("https://{region}.ml.cloud.ibm.com", "https://cloud.ibm.com/apidocs/watsonx-ai", region="us-south"),
        "novita": Builtin("https://api.novita.ai", "https://novita.ai/docs/api-reference"),
        "nebius": Builtin("https://api.studio.nebius.com", "https://docs.nebius.com/studio/inference"),
        "baseten": Builtin("https://inference.baseten.co", "https://docs.baseten.co/reference"),
        "writer": Builtin("https://api.writer.com", "https://dev.writer.com/api-reference"),
        "ai21": Builtin("https://api.ai21.com", "https://docs.ai21.com/reference"),
        "minimax": Builtin("https://api.minimax.io", "https://platform.minimax.io/docs/api-reference"),
        "avian": Builtin("https://api.avian.io", "https://avian.io/docs"),
    }
)
