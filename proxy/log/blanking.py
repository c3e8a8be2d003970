"""Blanks frames in the spool whose exchanges are to be forgotten: in place and of the same length, so that every writer and reader goes on.

A segment stays on disk while its writer lives, long after its frames are loaded. Their text and bodies are overwritten with nothing, and
the frame gets the checksum of what it now says. Only frames that are loaded already are touched, while nobody loads.
"""

from __future__ import annotations

import contextlib
import json
import mmap
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from proxy.log.segments import Held
from proxy.spool.frames import PREFIX, FrameError, blanked, checksum, record_content
from proxy.spool.reader import runs


def blank(spool: Path, ids: AbstractSet[bytes], users: AbstractSet[str]) -> tuple[int, int]:
    """Blank the frames of these exchanges, and what was said of them or by these users. Returns frames blanked, torn files deleted.

    Torn files are kept for a person to look at; what is in them cannot be told apart, so they go. Raises OSError.
    """
    texts = {_uuid(each) for each in ids} | set(users)
    frames = 0
    for run in runs(spool):
        for path in sorted(run.path.glob("*.seg")):
            with contextlib.suppress(FileNotFoundError, FrameError):  # loaded and deleted meanwhile; or no segment at all
                frames += _blank_segment(path, ids, texts)
    torn = list(spool.glob("*.torn"))
    for path in torn:
        path.unlink(missing_ok=True)
    return frames, len(torn)


def _blank_segment(path: Path, ids: AbstractSet[bytes], texts: AbstractSet[str]) -> int:
    file = Held(path)
    count = above = 0
    try:
        with path.open("r+b") as handle, mmap.mmap(handle.fileno(), 0) as mapped:
            while True:
                start = file.offset
                try:
                    raw = file.next_raw()
                except FrameError:
                    if file.resynchronise(above) is None:
                        break
                    continue
                if raw is None:
                    break
                payload, seq, _ = raw
                above = seq + 1
                if payload[1:17] in ids or _mentions(payload, texts):
                    fresh = blanked(payload)
                    at = start + PREFIX.size
                    mapped[at : at + len(fresh)] = fresh
                    PREFIX.pack_into(mapped, start, len(fresh), checksum(fresh, seq), seq)
                    count += 1
            if count:
                mapped.flush()
    finally:
        file.close()
    return count


def _mentions(payload: bytes, texts: AbstractSet[str]) -> bool:
    """Whether a RECORD is about one of these exchanges or users."""
    content = record_content(payload)
    if content is None:
        return False
    try:
        said = json.loads(content)
    except ValueError:
        return False
    return bool(_strings(said) & texts)


def _strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(_strings, value)) if isinstance(value, list) else set()


def _uuid(raw: bytes) -> str:
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
