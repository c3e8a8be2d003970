"""Loads what an operator set, checks it, and says in one sentence what is wrong: file, key, value and fix.

The order is: built-in defaults, the TOML file over them, the environment over that, the command line over all.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field, ValidationError, model_validator

from config.egress import resolve_egress
from config.options import Admin, Alerts, Log, Prices, Proxy, Redaction, Section, Spool, Sql, Upstream, section_of
from config.targets import NAME, Gate, Prompt, Target
from config.telemetry import Otel
from config.upstreams import BUILTIN

PREFIX = "GOLDWASH_"
RESERVED = frozenset({"GOLDWASH_COMPILED", "GOLDWASH_CONFIG", "GOLDWASH_LOG_LEVEL"})
"""Environment names that begin like an option and are none."""
UPSTREAM_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
LISTS = (
    ("proxy", "log_headers"),
    ("proxy", "allowed_origins"),
    ("gate", "targets"),
    ("otel", "signals"),
    ("otel", "purposes"),
    ("otel", "properties"),
)
RULES = Path("config/alerts.toml")
"""Beside the configuration file: an operator's own alert rules."""
OWN_PATTERNS = ("redaction", "patterns")
"""The one table whose keys an operator chooses."""
OWN_KEYS = (("otel", "headers"), ("otel", "resource"))
"""Tables whose keys an operator chooses, which may hold tables in turn; their types check them."""
IN_WORDS = {
    "path_type": "should be a path in quotation marks",
    "string_type": "should be text in quotation marks",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "tuple_type": 'should be a list, such as ["one", "another"]',
    "dict_type": "should be a table of keys and values",
    "mapping_type": "should be a table of keys and values",
    "model_type": "should be a table of keys and values",
}
"""Kinds of mistakes that the validator tells in Python's words."""
SECRET_WORD = re.compile(r"secret|token|password|key", re.IGNORECASE)


class ConfigError(Exception):
    """The configuration cannot be used; its text is one sentence with the file, the key, the value and the fix."""

    exit_code = 2


class Settings(Section):
    """Everything an operator can set, checked and frozen; `upstreams` holds the built-in ones too."""

    data_dir: Path = Field(default=Path("data"), description="Directory of spool, log and state; relative to where goldwash is started.")
    proxy: Proxy = Proxy()
    upstreams: Mapping[str, Upstream] = Field(default_factory=dict, validate_default=True)
    spool: Spool = Spool()
    log: Log = Log()
    sql: Sql = Sql()
    admin: Admin = Admin()
    redaction: Redaction = Redaction()
    prices: Prices = Prices()
    alerts: Alerts = Alerts()
    otel: Otel = Otel()
    gate: Gate = Gate()
    target: Mapping[str, Target] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if (self.proxy.tls_cert is None) != (self.proxy.tls_key is None):
            raise ValueError("[proxy] tls_cert and tls_key go together: set both or neither")
        if self.proxy.port == self.admin.port != 0 and self.proxy.host == self.admin.host:
            raise ValueError(f"[proxy] port and [admin] port are both {self.proxy.port}: give one of them another")
        if self.log.address.startswith("ducklake:") and not self.log.data_path:
            raise ValueError('[log] address is a DuckLake, which needs [log] data_path, such as "s3://bucket/goldwash"')
        return self

    def dump(self) -> str:
        """The settings as JSON text, for a child process; `from_dump` reads it back to an equal value."""
        return self.model_dump_json()

    @classmethod
    def from_dump(cls, text: str | bytes) -> Settings:
        """Settings from the text that `dump` made; a ValidationError here is a bug, not an operator's mistake."""
        return cls.model_validate_json(text)


class Given(NamedTuple):
    """One value an operator gave, and where, so that an error can point at it."""

    key: tuple[str, ...]  # ("proxy", "port")
    value: Any
    label: str  # "goldwash.toml: [proxy] port" or "environment: GOLDWASH_PROXY__PORT"
    secret_ok: bool  # the environment may hold a secret, a file may not


def load(path: Path | None, environ: Mapping[str, str], **overrides: Any) -> Settings:
    """Settings from a TOML file, the environment and the command line.

    path: the file of `--config`; None = `GOLDWASH_CONFIG`, else `goldwash.toml` in the working directory, else defaults alone.
    environ: usually os.environ; `GOLDWASH_` + section + `__` + key. HTTPS_PROXY and NO_PROXY are resolved into the upstreams here.
    overrides: sections as mappings, such as proxy={"port": 0}; a value of None counts as not given.

    Raises ConfigError with one sentence.
    """
    file = find_file(path, environ)
    given = [
        *(_from_file(file) if file else ()),
        *_from_environment(environ, file_upstreams=_upstream_names(file)),
        *_from_overrides(overrides),
    ]
    for item in given:
        _check_known(item)
    tree: dict[str, Any] = {"upstreams": {name: builtin.options() for name, builtin in BUILTIN.items()}}
    for item in given:
        _put(tree, item.key, item.value)
    settings = _validated(tree, given)
    _check_files(settings, given)
    return settings.model_copy(
        update={
            "data_dir": settings.data_dir.expanduser().absolute(),
            "upstreams": resolve_egress(settings.upstreams, environ),
            "alerts": settings.alerts.model_copy(update={"rules": _rules(settings, file)}),
        }
    )


def _rules(settings: Settings, file: Path | None) -> Path | None:
    """The file of an operator's own alert rules, whole, since the watcher runs elsewhere; None = those shipped are in force."""
    beside = (file.parent if file else Path()) / RULES
    rules = settings.alerts.rules or (beside if beside.is_file() else None)
    return rules.expanduser().absolute() if rules else None


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file that counts, or None; raises ConfigError where a named one is absent."""
    named = path or (Path(environ["GOLDWASH_CONFIG"]) if environ.get("GOLDWASH_CONFIG") else None)
    if named is None:
        default = Path("goldwash.toml")
        return default if default.is_file() else None
    if not named.is_file():
        origin = "--config" if path else "GOLDWASH_CONFIG"
        raise ConfigError(f"{named}: there is no such file; correct {origin}, or leave it out to run with the defaults")
    return named


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: this is not valid TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text: {error}") from error


def _upstream_names(file: Path | None) -> Iterable[str]:
    upstreams = _parsed(file).get("upstreams") if file else None
    return upstreams if isinstance(upstreams, dict) else ()


def _from_file(file: Path) -> Iterable[Given]:
    for key, value in _leaves(_parsed(file)):
        where = f"[{'.'.join(key[:-1])}] " if key[:-1] else ""
        yield Given(key, value, f"{file}: {where}{key[-1]}", secret_ok=False)


def _from_environment(environ: Mapping[str, str], file_upstreams: Iterable[str]) -> Iterable[Given]:
    """`GOLDWASH_UPSTREAMS__X_AI__URL` means x-ai: names of the environment cannot hold a dash."""
    names = {name.replace("-", "_").replace(".", "_"): name for name in [*BUILTIN, *file_upstreams]}
    for variable, value in environ.items():
        if not variable.upper().startswith(PREFIX) or variable.upper() in RESERVED:
            continue
        key = tuple(variable[len(PREFIX) :].lower().split("__"))
        if key[0] == "upstreams" and len(key) == 3:
            key = (key[0], names.get(key[1], key[1]), key[2])
        yield Given(key, _from_text(key, value), f"environment: {variable}", secret_ok=True)


def _from_text(key: tuple[str, ...], value: str) -> Any:
    """Lists are written with commas in the environment; all else is read from its text by its type."""
    return [part.strip() for part in value.split(",") if part.strip()] if key in LISTS else value


def _from_overrides(overrides: Mapping[str, Any]) -> Iterable[Given]:
    for key, value in _leaves(overrides):
        if value is not None:
            yield Given(key, value, f"command line: {'.'.join(key)}", secret_ok=True)


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping) and not value and above == ("target",):
            yield (*above, name), {}  # all defaults, and there by its name alone
        elif isinstance(value, Mapping):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _put(tree: dict[str, Any], key: tuple[str, ...], value: Any) -> None:
    for name in key[:-1]:
        tree = tree.setdefault(name, {})
    tree[key[-1]] = value


def known_keys() -> dict[str, tuple[str, ...]]:
    """Section -> its keys; the empty section holds the top-level keys."""
    keys: dict[str, tuple[str, ...]] = {"": (), "upstreams": tuple(Upstream.model_fields), "target": tuple(Target.model_fields)}
    for name, field in Settings.model_fields.items():
        section = section_of(field.annotation)
        if section:
            keys[name] = tuple(section.model_fields)
        elif name not in keys:
            keys[""] += (name,)
    return keys


def _check_known(item: Given) -> None:
    """Raises ConfigError with the nearest known key, and where it belongs."""
    known = known_keys()
    if item.key[:-1] == OWN_PATTERNS or (item.key[:2] in OWN_KEYS and len(item.key) > 2):
        return
    if item.key[0] == "target" and (len(item.key) >= 3 or (len(item.key) == 2 and item.value == {})):
        _check_target(item)
        return
    section, name = ("", item.key[0]) if len(item.key) == 1 else (item.key[0], item.key[-1])
    if len(item.key) == 1 and (section_of(_annotation(name)) or name in ("upstreams", "target")):
        raise ConfigError(f"{item.label} = {_shown(item)} is no value but a section: write [{name}] above its keys")
    depth = 3 if section == "upstreams" else 2 if section else 1
    if section in known and name in known[section] and len(item.key) == depth:
        if section == "upstreams":
            _check_upstream_name(item)
        return
    every = {_spelled(s, k): k for s, keys in known.items() for k in keys}
    here = [text for text in every if text.startswith(f"[{section}")] if section in known and section else []
    near = (
        difflib.get_close_matches(_spelled(section, name), here, n=1, cutoff=0.75)
        or [text for text, key in every.items() if key == name]
        or difflib.get_close_matches(_spelled(section, name), every, n=1, cutoff=0.6)
    )
    if near:
        fix = f"did you mean {near[0]}?"
    elif section in known and section:
        fix = f"[{section}] knows {', '.join(known[section])}"
    else:
        fix = f"the sections are {', '.join(s for s in known if s)}"
    raise ConfigError(f"{item.label} = {_shown(item)} is no option Goldwash knows: {fix}")


def _annotation(name: str) -> Any:
    field = Settings.model_fields.get(name)
    return field.annotation if field else None


def _check_upstream_name(item: Given) -> None:
    if not UPSTREAM_NAME.fullmatch(item.key[1]) or item.key[1] == "goldwash":
        raise ConfigError(
            f"{item.label} = {_shown(item)}: {item.key[1]!r} cannot be an upstream's name, which is lower case letters, digits, "
            '"-", "." and "_", and not "goldwash": choose another'
        )


def _check_target(item: Given) -> None:
    """Raises ConfigError; `params`, `headers` and `tools` may hold any key."""
    _, name, key, *below = (*item.key, "kind")[: max(3, len(item.key))]
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"{item.label} = {_shown(item)}: {name!r} cannot be a target's name, which is letters, digits, "
            '"-", "." and "_": choose another'
        )
    here = tuple(Prompt.model_fields) if key == "prompt" and below else tuple(Target.model_fields)
    asked = below[0] if key == "prompt" and below else key
    if asked not in here or (below and key not in ("prompt", "params", "headers")):
        near = difflib.get_close_matches(asked, here, n=1)
        fix = f"did you mean {near[0]}?" if near and near[0] != asked else f"known are {', '.join(here)}"
        raise ConfigError(f"{item.label} = {_shown(item)} is no option Goldwash knows: {fix}")


def _spelled(section: str, key: str) -> str:
    if not section:
        return key
    return f"[{section}.NAME] {key}" if section in ("upstreams", "target") else f"[{section}] {key}"


def _shown(item: Given) -> str:
    if item.key[:2] == ("otel", "headers") and item.key[-1] not in ("env", "file"):
        return "(hidden)"
    if item.secret_ok and SECRET_WORD.search(item.key[-1]) and not item.key[-1].endswith(("_file", "tls_key")):
        return "(hidden)"
    text = json.dumps(item.value, default=str)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _validated(tree: Mapping[str, Any], given: Iterable[Given]) -> Settings:
    for item in given:
        _refuse_secret(item)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = tuple(str(part) for part in first["loc"])
        what = _plain(first["type"], first["msg"], first["input"])
        source = next((item for item in reversed(list(given)) if item.key == key[: len(item.key)]), None)
        if source is None:
            raise ConfigError(what) from error
        sentence = _sentence(key)
        raise ConfigError(f"{source.label} = {_shown(source)}: {what}{f' ({sentence})' if sentence else ''}") from error


def _plain(kind: str, message: str, given: Any) -> str:
    """The validator's message in an operator's words, with the nearest of the choices where there are some."""
    text = IN_WORDS.get(kind) or message.removeprefix("Value error, ").removeprefix("Input ")
    if kind == "literal_error":
        near = difflib.get_close_matches(str(given).lower(), re.findall(r"'([^']*)'", text), n=1, cutoff=0.5)
        text = f"did you mean {near[0]!r}? It {text}" if near else text
    return text


def _sentence(key: tuple[str, ...]) -> str:
    named: dict[str, type[Section]] = {"upstreams": Upstream, "target": Target}
    section = named.get(key[0]) or section_of(_annotation(key[0])) or Settings
    field = section.model_fields.get(key[-1]) or section.model_fields.get(key[0])
    return (field.description or "").rstrip(".") if field else ""


def _refuse_secret(item: Given) -> None:
    """A file is copied, committed and shown; a password in it is refused."""
    if item.secret_ok or not isinstance(item.value, str):
        return
    if re.search(r"://[^/\s@]*:[^/\s@]+@", item.value) or re.search(r"\bpassword\s*=", item.value, re.IGNORECASE):
        variable = PREFIX + "__".join(item.key).upper().replace("-", "_").replace(".", "_")
        raise ConfigError(f"{item.label} holds a password, which no file should: give the whole value as {variable} in the environment")


def _check_files(settings: Settings, given: Iterable[Given]) -> None:
    """Files that are named must be there before a socket opens; a token file is made where it is absent."""
    labels = {item.key: item.label for item in given}
    named: dict[tuple[str, ...], Path | None] = {
        ("proxy", "tls_cert"): settings.proxy.tls_cert,
        ("proxy", "tls_key"): settings.proxy.tls_key,
    }
    named |= {("upstreams", name, "ca_file"): upstream.ca_file for name, upstream in settings.upstreams.items()}
    named[("prices", "file")] = settings.prices.file
    named[("otel", "ca_file")] = settings.otel.ca_file
    named[("alerts", "rules")] = settings.alerts.rules
    for key, file in named.items():
        if file is not None and not file.is_file():
            raise ConfigError(f'{labels.get(key, ".".join(key))} = "{file}": there is no such file; correct the path or leave the key out')
