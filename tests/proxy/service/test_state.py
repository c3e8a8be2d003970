"""How a command finds the service, and what files it leaves for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from config.options import is_loopback
from proxy.service import state


def test_state_goes_round(tmp_path: Path) -> None:
    """Written 0600, read equal, removed by its own process only."""
    told = state.State(os.getpid(), "0.0.0.0", 8081, None)
    state.write(tmp_path, told)
    assert stat.S_IMODE((tmp_path / "service.json").stat().st_mode) == 0o600
    assert state.read(tmp_path) == told
    assert state.alive(told)
    state.write(tmp_path, state.State(1, "127.0.0.1", 1, None))
    state.remove(tmp_path)
    assert state.read(tmp_path) is not None
    state.write(tmp_path, told)
    state.remove(tmp_path)
    assert state.read(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": 1}', "no json"])
def test_a_broken_state_is_none(tmp_path: Path, text: str) -> None:
    """Half a file, or another version's, counts as absent."""
    (tmp_path / "service.json").write_text(text)
    assert state.read(tmp_path) is None


def test_a_wildcard_is_reached_through_loopback() -> None:
    """Also over IPv6."""
    assert state.State(1, "0.0.0.0", 5, None).url == "http://127.0.0.1:5"
    assert state.State(1, "::", 5, None).url == "http://[::1]:5"
    assert state.State(1, "10.0.0.1", 5, None).url == "http://10.0.0.1:5"


def test_a_token_is_made_once(tmp_path: Path) -> None:
    """0600, long, and the same ever after."""
    file = tmp_path / "deep" / "admin.token"
    token = state.make_token(file)
    assert len(token) >= 40
    assert state.make_token(file) == token
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("LOCALHOST.", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("10.0.0.1", False),
     ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_knows_loopback(host: str, loopback: bool) -> None:
    """This machine alone, by name or number."""
    assert is_loopback(host) is loopback
