"""Reads what a logged request offers the model and wants from it, in any dialect: the tools with their schemas, the answer's format.

Pure, and told apart by keys, as in scoring/conversation. Sources: the providers' API references on tools and structured outputs.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from proxy.providers.fields import items, mapping


class Tool(NamedTuple):
    """One function the model may call."""

    name: str
    schema: Any  # JSON schema of the arguments; None: takes none, or none was given
    openapi: bool = False  # the schema is in Gemini's OpenAPI form


class AnswerFormat(NamedTuple):
    """JSON was asked for."""

    schema: Any  # None: any JSON object
    openapi: bool = False


_PYTHON_TYPES: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}


def tools(request: Any) -> tuple[tuple[Tool, ...], bool]:
    """The functions a request offers, and whether these are all there are (False: server-side or deferred tools stand beside them)."""
    asked = mapping(request)
    offered = asked.get("tools") or mapping(asked.get("toolConfig") or asked.get("tool_config")).get("tools")
    found: list[Tool] = []
    whole = not asked.get("mcp_servers") and not asked.get("previous_response_id") and not asked.get("prompt_id")
    for entry in [*items(offered), *items(asked.get("functions"))]:
        tool = mapping(entry)
        spec = mapping(tool.get("toolSpec"))
        function = mapping(tool.get("function"))
        declared = items(tool.get("functionDeclarations") or tool.get("function_declarations"))
        if declared:
            found += [tool for tool in map(_gemini_tool, declared) if tool is not None]
        elif isinstance(spec.get("name"), str):
            found.append(Tool(spec["name"], mapping(spec.get("inputSchema")).get("json")))
        elif isinstance(function.get("name"), str):
            found.append(Tool(function["name"], function.get("parameters")))
        elif isinstance(tool.get("name"), str) and tool.get("type") in (None, "function", "custom", "tool") and "format" not in tool:
            found.append(_flat_tool(tool))
        elif "cachePoint" not in tool:
            whole = False
    for item in items(asked.get("input")):  # Responses: tools that a search brought in later
        if isinstance(item, dict) and isinstance(item.get("tools"), list):
            whole = False
    return tuple(found), whole and bool(found)


def answer_format(request: Any) -> AnswerFormat | None:
    """The JSON format a request asks its answer to have; None: free text."""
    asked = mapping(request)
    generation = mapping(asked.get("generationConfig") or asked.get("generation_config"))
    for key, openapi in (
        ("responseJsonSchema", False),
        ("response_json_schema", False),
        ("responseSchema", True),
        ("response_schema", True),
    ):
        if isinstance(generation.get(key), dict):
            return AnswerFormat(generation[key], openapi)
    if "json" in str(generation.get("responseMimeType") or generation.get("response_mime_type") or ""):
        return AnswerFormat(None)
    for wanted in (
        asked.get("response_format"),
        mapping(asked.get("text")).get("format"),
        mapping(asked.get("output_config")).get("format"),
        asked.get("output_format"),
        mapping(asked.get("outputConfig")).get("textFormat"),
        asked.get("format"),
    ):
        found = _format(wanted)
        if found is not None:
            return found
    return None


def _format(wanted: Any) -> AnswerFormat | None:
    if wanted == "json":
        return AnswerFormat(None)  # Ollama
    if not isinstance(wanted, dict):
        return None
    kind = wanted.get("type")
    if kind == "json_object":
        schema = wanted.get("json_schema") or wanted.get("schema")  # Cohere, Together
        return AnswerFormat(schema if isinstance(schema, dict) else None)
    if kind == "json_schema":
        inner = wanted.get("json_schema")
        schema = mapping(inner).get("schema") if isinstance(inner, dict) else wanted.get("schema")
        if schema is None:
            schema = mapping(mapping(wanted.get("structure")).get("jsonSchema")).get("schema")  # Converse, as JSON text
        return AnswerFormat(schema if isinstance(schema, dict | str) else None)
    if kind == "object" and "properties" in wanted:
        return AnswerFormat(wanted)  # Ollama: the schema itself
    return None


def _gemini_tool(declared: Any) -> Tool | None:
    declaration = mapping(declared)
    name = declaration.get("name")
    if not isinstance(name, str):
        return None
    plain = declaration.get("parametersJsonSchema") or declaration.get("parameters_json_schema")
    return Tool(name, plain) if plain is not None else Tool(name, declaration.get("parameters"), openapi=True)


def _flat_tool(tool: dict[str, Any]) -> Tool:
    """Anthropic's, the Responses API's, Cohere v1's, or one of the old `functions`."""
    schema = tool.get("input_schema")
    if schema is None:
        schema = tool.get("parameters")
    if schema is None and isinstance(tool.get("parameter_definitions"), dict):
        schema = _from_definitions(tool["parameter_definitions"])
    return Tool(tool["name"], schema)


def _from_definitions(definitions: dict[str, Any]) -> dict[str, Any]:
    """Cohere v1's parameters, whose types are Python's, as a JSON schema; a type that is none of these is left open."""
    properties = {
        name: {"type": _PYTHON_TYPES[kind]} if (kind := str(mapping(given).get("type"))) in _PYTHON_TYPES else {}
        for name, given in definitions.items()
    }
    required = [name for name, given in definitions.items() if mapping(given).get("required") is True]
    return {"type": "object", "properties": properties, "required": required}
