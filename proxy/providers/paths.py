"""The model a path names, where a dialect puts it there instead of into the body (Gemini, Vertex AI, Bedrock, Azure, lists of models)."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

_GOOGLE = re.compile(r"/(?:models|endpoints)/([^/]+?):[A-Za-z]+$|/(tunedModels/[^/]+?):[A-Za-z]+$")
_BEDROCK = re.compile(r"/model/(.+)/[a-z-]+$")  # an ARN as model has slashes of its own
_HUGGING_FACE = re.compile(r"/(?:models|pipeline/[^/]+)/([^/]+(?:/[^/]+)?)$")
_ANY = re.compile(r"/(?:deployments|model|serving-endpoints)/([^/:?]+(?::\d+)?)")
_LISTED = re.compile(r"/models/(?!(?:chat|embeddings|images|info)(?:/|$))([^/:?]+(?::\d+)?)(?:/([^/:?]+))?")
_PARTS = frozenset(
    "operations versions endpoints predictions revisions resolve tree readme examples files permissions generate chat v1".split()
)
"""What stands below a model in a path; anything else behind a name is the name itself, behind its owner's."""


@lru_cache(maxsize=4096)
def path_model(path: str) -> str | None:
    """The model in `path` without its percent signs: `/model/amazon.nova-lite-v1%3A0/converse` → `amazon.nova-lite-v1:0`."""
    found = _GOOGLE.search(path) or _BEDROCK.search(path)
    return unquote(next(group for group in found.groups() if group)) if found else None


@lru_cache(maxsize=4096)
def any_model(path: str) -> str | None:
    """The model in the path of an exchange whose dialect puts it elsewhere, or nobody knows: a deployment, or `/models/owner/name`."""
    found = _ANY.search(path)
    if found:
        return found.group(1)
    found = _LISTED.search(path)
    if found is None:
        return None
    owner, name = found.groups()
    return owner if name is None or name in _PARTS else f"{owner}/{name}"


@lru_cache(maxsize=4096)
def hugging_face_model(path: str) -> str | None:
    """The model in a path of HuggingFace's inference API: `/pipeline/fill-mask/bert-base-uncased` → `bert-base-uncased`."""
    found = _HUGGING_FACE.search(path)
    return unquote(found.group(1)) if found else None
