"""From a golden case and a variant to what is sent, with model, params, tools and prompt in place, and to its fingerprint. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from config.targets import Target
from proxy.providers.paths import any_model, path_model
from scoring.gate.results import BadInput
from scoring.gate.targets.prompts import put, rendered
from scoring.gate.targets.variants import Variant
from scoring.golden.blobs import put_back
from scoring.golden.case import GoldenCase, as_json, canonical

VERSION: Final = 1
"""Of the fingerprint: another number makes every kept answer stale."""
PATHS: Final = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "cohere": "/v2/chat", "ollama": "/api/chat"}
"""Where a case that names no path is asked, by the first word of its dialect."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One case, ready to be asked of one variant."""

    case: GoldenCase
    path: str | None  # endpoint: after the upstream's name
    body: Any  # the request's JSON, with everything in place
    prompt: str | None  # the prompt under test, rendered
    fingerprint: str  # of all that decides the answer, but the number of the run

    def of_run(self, run: int) -> str:
        """The fingerprint of one run."""
        return sha256(f"{self.fingerprint}\0{run}".encode()).hexdigest()[:40]


def prepare(case: GoldenCase, variant: Variant, blobs: Mapping[str, bytes]) -> Prepared:
    """The request of a case. Raises BadInput, MissingBlob."""
    body = put_back(case.input.body, blobs)
    target, where = variant.target, f"[target.{variant.name}], case {case.id}"
    path = None
    prompt = None
    if variant.prompt is not None:
        if body is None and target.kind == "endpoint":  # a case of another tool that has vars alone: the prompt is all that is said
            body = {"messages": [{"role": "user", "content": ""}]}
        prompt = rendered(variant.prompt, case.input.vars, case.id)
        body = put(body, variant.prompt.at, prompt, where)
    if isinstance(body, dict):
        body = _changed(body, variant)
    if target.kind == "endpoint":
        if not isinstance(body, dict):
            raise BadInput(f"{where}: it has no request body that could be replayed: run it with a target of kind command or app")
        path, body = _addressed(target.path or case.input.path or _path(case), body, target, where)
    said = {
        "version": VERSION,
        "case": case.id,
        "case_version": case.version,
        "target": variant.identity(),
        "path": path,
        "body": body,
        "prompt": prompt,
        "headers": case.input.headers,
    }
    if target.kind != "endpoint":
        said |= {"vars": case.input.vars, "context": [one.model_dump(mode="json") for one in case.context]}
    return Prepared(case, path, body, prompt, sha256(canonical(said).encode("utf-8", "replace")).hexdigest())


def for_program(prepared: Prepared, variant: Variant, run: int) -> dict[str, Any]:
    """The case as a program gets it: as it stands in the golden file, with the request as it would be replayed, and what is under test."""
    value = as_json(prepared.case)
    value["input"] = {**value["input"], "body": prepared.body}
    value["target"] = {
        "name": variant.name,
        "run": run,
        "model": variant.target.model,
        "params": dict(variant.target.params),
        "prompt": prepared.prompt,
        "tools": [dict(tool) for tool in variant.tools] if variant.tools is not None else None,
    }
    return value


def _changed(body: dict[str, Any], variant: Variant) -> dict[str, Any]:
    """Params merged in, keys left out, tools exchanged."""
    changed = _merged(body, variant.target.params)
    for key in variant.target.without:
        changed.pop(key, None)
    if variant.tools is not None:
        tools = [deepcopy(dict(tool)) for tool in variant.tools]
        if isinstance(changed.get("toolConfig"), dict):  # Bedrock's Converse
            changed["toolConfig"] = {**changed["toolConfig"], "tools": tools}
        else:
            changed["tools"] = tools
    return changed


def _merged(body: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(body)
    for key, value in params.items():
        here = merged.get(key)
        merged[key] = _merged(here, value) if isinstance(here, dict) and isinstance(value, Mapping) else value
    return merged


_GOOGLE: Final = re.compile(r"(/(?:models|endpoints)/)[^/]+?(:(?:stream)?[gG]enerateContent)$")
_BEDROCK: Final = re.compile(r"(/model/).+(/[a-z-]+)$")
_DEPLOYED: Final = re.compile(r"(/deployments/)[^/]+")


def _addressed(path: str, body: dict[str, Any], target: Target, where: str) -> tuple[str, dict[str, Any]]:
    """Path and body with model and stream as the target wants them; some dialects have both in the path."""
    in_path = path_model(path) or (any_model(path) if "/deployments/" in path else None)
    if target.model is not None and in_path is not None:
        name = quote(target.model, safe=".-_")
        changed = next((new for pattern in (_GOOGLE, _BEDROCK, _DEPLOYED) if (new := _with(pattern, path, name)) is not None), None)
        if changed is None:
            raise BadInput(
                f"{where}: the model stands in the path {path} in a way that cannot be changed: give the whole path in [target] path"
            )
        path = changed
    elif target.model is not None:
        body = {**body, "model": target.model}
    elif in_path is None and not body.get("model"):
        raise BadInput(f"{where}: neither the case nor the target names a model: add model to the target")
    if target.stream is not None:
        path, body = _streamed(path, body, target.stream)
    return path, body


def _with(pattern: re.Pattern[str], path: str, name: str) -> str | None:
    if not pattern.search(path):
        return None
    return pattern.sub(lambda found: found[1] + name + (found[2] if pattern.groups > 1 else ""), path)


def _streamed(path: str, body: dict[str, Any], stream: bool) -> tuple[str, dict[str, Any]]:
    for one, many in (
        (":generateContent", ":streamGenerateContent"),
        ("/converse", "/converse-stream"),
        ("/invoke", "/invoke-with-response-stream"),
    ):
        if path.endswith((one, many)):
            return path.removesuffix(many).removesuffix(one) + (many if stream else one), body
    changed = {key: value for key, value in body.items() if key != "stream_options" or stream}
    return path, {**changed, "stream": stream}


def _path(case: GoldenCase) -> str:
    return PATHS.get((case.input.dialect or "openai").partition(".")[0], PATHS["openai"])
