"""Every option an operator can set: one class a section, one field an option, with its type, default and sentence.

Plain frozen values that check themselves; nothing here reads a file, the environment or a clock. `docs/configuration.md`
is made from these fields, so the sentence beside each is the documentation.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

REGION_IN_PATH = re.compile(r"/locations/([a-z0-9-]{1,40})(?:/|$)")
"""How Google's APIs name the region of a resource: projects/P/locations/REGION/publishers/…"""

VERTEX_URL = "https://{region}-aiplatform.googleapis.com"
VERTEX_WIDE = {
    "global": "https://aiplatform.googleapis.com",
    "us": "https://aiplatform.us.rep.googleapis.com",
    "eu": "https://aiplatform.eu.rep.googleapis.com",
}
"""Google's locations that are wider than a region have host names of another shape."""

SECRET_NAME = re.compile(
    r"auth|secret|passw|cookie|credential|signature|virtual-key|api-?key|-key$|-token$|forward-headers|-config$|websocket-protocol|^location$"
)
"""What stands in the name of a header that carries a secret: no such header is logged, whoever asks for it."""
COUNTED_NAME = re.compile(
    r"tokens?-(?:count|limit|remaining|reset|minute|month|day|hour|query-cost|usage)|(?:limit|remaining|reset)-tokens"
)
"""A name with 'token' in it is no secret's where tokens are counted."""


def is_secret_name(name: str) -> bool:
    """Whether a header of this name, in lower case, carries a secret."""
    return bool(SECRET_NAME.search(name)) and not COUNTED_NAME.search(name)


def is_loopback(host: str) -> bool:
    """Whether an address to bind, or a name in a Host header, is this machine alone."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("it must be a full URL such as https://api.example.com")
    if parts.username or parts.password:
        raise ValueError("a URL must not carry a name or password: clients send their own provider key")
    if parts.query or parts.fragment:
        raise ValueError("a base URL has no query and no fragment")
    if set(re.findall(r"\{(.*?)\}", value)) - {"region"}:
        raise ValueError("the only placeholder a URL can hold is {region}")
    return value.rstrip("/")


def _proxy_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("it must look like http://proxy.example.com:3128, or be empty for none")
    return value


def _host_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError('it must look like "127.0.0.1:9000"')
    return value


def _loggable(names: tuple[str, ...]) -> tuple[str, ...]:
    lowered = tuple(name.strip().lower() for name in names)
    for name in lowered:
        if is_secret_name(name):
            raise ValueError(f"the header {name} carries a secret and is never logged: leave it out")
        if not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError(f"{name!r} is no header name")
    return lowered


def _expressions(patterns: Mapping[str, str]) -> Mapping[str, str]:
    if not patterns:
        return patterns
    import re2  # a compiled library that only who has patterns pays for

    options = re2.Options()
    options.log_errors = False
    for name, expression in patterns.items():
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
            raise ValueError(f"{name!r} is no name for a pattern: use lower-case letters, digits and _")
        try:
            compiled = re2.compile(expression, options)
        except re2.error as error:
            why = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error
            raise ValueError(f"the pattern {name} is no RE2 expression: {why}") from error
        if compiled.search(""):
            raise ValueError(f"the pattern {name} matches the empty text, so it would match everywhere: make a part of it compulsory")
    return patterns


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    lowered = tuple(value.strip().lower().rstrip("/") for value in values)
    for value in lowered:
        if value not in ("*", "null") and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", value):
            raise ValueError(f'{value!r} is no origin: write it as a browser sends it, such as "https://chat.example.com"')
    return lowered


def _memory(value: str) -> str:
    if not re.fullmatch(r"\d+(\.\d+)?\s*(KB|MB|GB|TB|KiB|MiB|GiB|TiB)", value):
        raise ValueError('it must be a size with its unit, such as "1GB" or "512MB"')
    return value


Dialect = Literal[
    "aleph-alpha",
    "anthropic",
    "bedrock",
    "cloudflare",
    "cohere",
    "gemini",
    "huggingface",
    "llama_cpp",
    "mistral",
    "ollama",
    "openai",
    "replicate",
    "sagemaker",
    "snowflake",
    "watsonx",
]
"""Whose wire formats there are readers for: what stands before the dot in the log's `dialect`. A test holds it equal to the readers'."""
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Days = Annotated[int, Field(ge=0)]
Url = Annotated[str, AfterValidator(_base_url)]
HostPort = Annotated[str, AfterValidator(_host_port)]


class Section(BaseModel):
    """What all sections share: frozen, and deaf to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Proxy(Section):
    """`[proxy]`: the port that clients talk to, and how their connections are treated."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on for clients; anything but loopback needs proxy keys (`goldwash keys add`) or open_to_network.",
    )
    open_to_network: bool = Field(
        default=False,
        description="Serve whoever reaches the port without a proxy key: they use the local and re-signing upstreams, fill the log and "
        "the disk, and write into your figures. For a container or a network that keeps strangers out by itself.",
    )
    allowed_origins: Annotated[tuple[str, ...], AfterValidator(_origins)] = Field(
        default=(),
        description="Web sites whose pages may use the proxy without a proxy key, such as `https://chat.example.com`; pages of this "
        "machine always may, those of other sites are refused, and `*` lets every site in.",
    )
    port: Port = Field(default=8080, description="Port to listen on for clients; 0 takes a free one.")
    workers: int = Field(default=1, ge=0, le=256, description="Worker processes that share the port; 0 = one a core.")
    tls_cert: Path | None = Field(default=None, description="PEM certificate chain to serve HTTPS with; needs tls_key.")
    tls_key: Path | None = Field(default=None, description="PEM private key of tls_cert.")
    goldwash_id_header: bool = Field(
        default=True, description="Add the `goldwash-id` header to each answer, so that feedback can refer to it."
    )
    log_headers: Annotated[tuple[str, ...], AfterValidator(_loggable)] = Field(
        default=(), description="Further header names to keep in the log; headers that carry secrets are refused."
    )
    max_head_bytes: int = Field(default=65_536, ge=1024, le=16_777_216, description="Largest request head in bytes; a larger one gets 431.")
    client_head_timeout: Seconds = Field(default=60.0, description="Seconds a client may take to send a request head it has begun.")
    client_idle_timeout: Seconds = Field(default=300.0, description="Seconds an idle client connection is kept alive.")
    drain_timeout: float = Field(default=30.0, ge=0, description="Seconds that running streams get to finish when a worker stops.")
    on_client_gone: Literal["abort", "finish"] = Field(
        default="abort",
        description='When a client hangs up: "abort" the upstream request, or "finish" it so that its answer and usage are logged.',
    )
    on_log_failure: Literal["pass", "refuse"] = Field(
        default="pass", description='When an exchange cannot be logged: "pass" it on all the same (counted), or "refuse" it with 503.'
    )


class Upstream(Section):
    """`[upstreams.NAME]`: one provider; NAME is the first path segment of its base URL here."""

    url: Url | None = Field(
        default=None, description="Base URL of the provider; the rest of the path and the query are appended as they came."
    )
    dialect: Dialect | None = Field(
        default=None,
        description="Whose formats its traffic is read as, `openai` for every host that speaks them; found from name, path and "
        "bytes where it is left out.",
    )
    region: str | None = Field(
        default=None, pattern=r"^[a-z0-9-]+$", description="Region that fills `{region}` in the URL (Vertex, Bedrock, watsonx)."
    )
    egress_proxy: Annotated[str, AfterValidator(_proxy_url)] | None = Field(
        default=None, description='Proxy on the way out; left out = `HTTPS_PROXY` and `NO_PROXY` of the environment, "" = none.'
    )
    ca_file: Path | None = Field(default=None, description="PEM bundle of a private CA to trust for this upstream, beside the system's.")
    connect_to: HostPort | None = Field(
        default=None, description="`host:port` to dial instead; Host header, SNI and signatures stay those of the URL."
    )
    connect_timeout: Seconds = Field(default=10.0, description="Seconds for name, TCP and TLS together.")
    first_byte_timeout: Seconds = Field(
        default=3600.0, description="Seconds to wait for the first byte of an answer: reasoning models think long."
    )
    silence_timeout: Seconds = Field(default=1800.0, description="Seconds an answer that has begun may stay silent.")
    idle_timeout: Seconds = Field(
        default=45.0, description="Seconds an idle pooled connection is kept; shorter than the provider's own limit."
    )
    max_connections: Count = Field(default=4096, description="Most connections to it a worker; further requests wait their turn.")
    sigv4: Literal["refuse", "resign"] = Field(
        default="refuse",
        description='Requests signed with AWS SigV4: "resign" them with the AWS credentials found in the environment or the '
        "shared credentials file, or refuse them with an error that says so.",
    )
    include_usage: bool = Field(
        default=False,
        description="Ask for the usage of chat and completion streams whose client did not (`stream_options.include_usage`), "
        "and take that one event out of the answer again.",
    )
    aws_profile: str | None = Field(default=None, description="Profile of the shared AWS credentials file to re-sign with.")

    def base_url(self, path: str = "") -> str | None:
        """The URL that `path` goes to, its region filled in; None where it still misses something (see `missing`).

        path: as the client sent it, without the query; Google's paths name the region (`…/locations/us-central1/…`).
        """
        if self.url is None or "{region}" not in self.url:
            return self.url
        found = REGION_IN_PATH.search(path)
        region = found.group(1) if found else self.region
        if region is None:
            return None
        if self.url == VERTEX_URL and region in VERTEX_WIDE:
            return VERTEX_WIDE[region]
        return self.url.replace("{region}", region)

    def missing(self, name: str, path: str = "") -> str | None:
        """What an operator must set before a request to `path` can go anywhere, in a sentence; None when nothing is missing."""
        if self.url is None:
            return f"upstream {name} has an address of its own for every customer: set url in [upstreams.{name}] to yours"
        if self.base_url(path) is None:
            return f"upstream {name} needs a region: set region in [upstreams.{name}], or call a path with locations/REGION in it"
        return None


class Spool(Section):
    """`[spool]`: the durable copy of every exchange on local disk, between the traffic and the log."""

    segment_mb: int = Field(default=32, ge=1, le=1024, description="Size of a preallocated segment in MB.")
    max_gb: float = Field(
        default=20.0,
        gt=0,
        description="Most disk in GB for the spool: from nine tenths on bodies are shed, at the end exchanges; see on_log_failure.",
    )
    body_cap_mb: float = Field(default=32.0, ge=0, description="A body is kept up to this many MB; it is hashed whole, and marked as cut.")
    fsync: Literal["never", "interval", "each"] = Field(
        default="interval", description="When records are forced to disk: a process may die at any setting, this is about loss of power."
    )
    fsync_interval: Seconds = Field(default=1.0, description='Seconds between two syncs with fsync = "interval".')


class Log(Section):
    """`[log]`: where the rows live, for how long, and how they get there."""

    address: str = Field(
        default="goldwash.duckdb",
        min_length=1,
        description="DuckDB address of the log: a file (relative to data_dir), or `ducklake:postgres:…`.",
    )
    data_path: str = Field(default="", description="Where a DuckLake keeps its Parquet files, such as `s3://bucket/path`.")
    quack: str = Field(default="", description="Address for DuckDB clients to read live, such as `quack:localhost:9494`; empty = off.")
    bodies_days: Days = Field(default=30, description="Days that request and response bodies are kept; 0 = for ever.")
    rows_days: Days = Field(default=400, description="Days that rows are kept; 0 = for ever.")
    flush_rows: Count = Field(default=2000, description="Rows that make a batch for the log.")
    flush_seconds: Seconds = Field(default=0.5, description="Seconds after which a batch is written even if it is not full.")


class Sql(Section):
    """`[sql]`: the limits of one query by `goldwash sql` or `POST /api/sql`."""

    max_rows: Count = Field(default=100_000, description="Most rows that a query returns.")
    timeout: Seconds = Field(default=30.0, description="Seconds after which a query is interrupted.")
    memory: Annotated[str, AfterValidator(_memory)] = Field(
        default="640MB",
        description="Memory that DuckDB may use; where large bodies need more to be stored, the log service takes more by itself.",
    )


class Admin(Section):
    """`[admin]`: health, metrics, SQL, feedback and the web page, beside the traffic."""

    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on; anything but loopback asks for the token.")
    port: Port = Field(default=8081, description="Port to listen on; 0 takes a free one.")
    token_file: Path | None = Field(default=None, description="File that holds the token; left out = `admin.token` in data_dir, made 0600.")
    always_token: bool = Field(default=False, description="Ask for the token on loopback too: for machines that several people use.")


class Redaction(Section):
    """`[redaction]`: what is taken out of the stored copy before it reaches the log; traffic is never touched."""

    secrets: bool = Field(default=True, description="Keys, tokens, passwords in URLs and private keys, by the providers' formats.")
    email: bool = Field(default=False, description="E-mail addresses.")
    phone: bool = Field(default=False, description="Phone numbers: international, North American, and with a trunk prefix.")
    card: bool = Field(default=False, description="Payment card numbers whose check digit is right.")
    iban: bool = Field(default=False, description="Bank accounts (IBAN) whose check digits are right.")
    national_ids: bool = Field(
        default=False, description="National ids by their check digits where they have some: US SSN, UK NINO, German tax id, French NIR."
    )
    patterns: Annotated[Mapping[str, str], AfterValidator(_expressions)] = Field(
        default_factory=dict, description='Own patterns, a name and an RE2 expression each: `patterns = { ticket = "TCK-[0-9]{6}" }`.'
    )


class Prices(Section):
    """`[prices]`: an operator's own prices over the packaged ones."""

    file: Path | None = Field(default=None, description="TOML file with own models, discounts and contract prices.")


class Alerts(Section):
    """`[alerts]`: the watcher of `goldwash up`, which evaluates the alert rules and tells of what they found."""

    watch: bool = Field(default=True, description="Run the watcher beside the log service; in a fleet on one lake, on one machine only.")
    rules: Path | None = Field(
        default=None,
        description="File of alert rules and channels; left out = `config/alerts.toml` beside the configuration file, or the shipped one.",
    )


def section_of(annotation: Any) -> type[Section] | None:
    """The section class behind a field's annotation, if it is one."""
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None
