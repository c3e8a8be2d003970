"""Models in paths."""

from __future__ import annotations

import pytest

from proxy.providers.paths import hugging_face_model, path_model


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini-2.5-pro:generateContent", "gemini-2.5-pro"),
        ("/v1beta/tunedModels/my-model-1:generateContent", "tunedModels/my-model-1"),
        ("/v1/projects/p/locations/l/publishers/anthropic/models/claude@2025:rawPredict", "claude@2025"),
        ("/v1/projects/p/locations/l/endpoints/123:predict", "123"),
        ("/model/amazon.nova-lite-v1%3A0/converse", "amazon.nova-lite-v1:0"),
        ("/model/anthropic.claude-v1:0/count-tokens", "anthropic.claude-v1:0"),
        (
            "/model/arn:aws:bedrock:us-east-1:1:inference-profile/us.claude/invoke",
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.claude",
        ),
        ("/v1/messages", None),
        ("/", None),
    ],
)
def test_the_path_names_the_model(path: str, model: str | None) -> None:
    """Percent signs are taken off; other paths name none."""
    assert path_model(path) == model


def test_hugging_face_names_an_owner_too() -> None:
    """With and without one."""
    assert hugging_face_model("/models/meta/llama-3") == "meta/llama-3"
    assert hugging_face_model("/pipeline/fill-mask/bert-base-uncased") == "bert-base-uncased"
