"""docs/channels.md knows every channel, every key and every kind of notification, and says which channels may show a message twice."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from scoring.alerts.channels import SHELF
from scoring.alerts.channels.contract import Options
from scoring.alerts.incidents import Kind
from tests.helpers.goldwash import ROOT

PAGE = (ROOT / "docs" / "channels.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SHELF)
def test_each_channel_has_its_row(name: str) -> None:
    """With all keys of its own, and whether copies are told apart."""
    kind = SHELF[name]
    (row,) = re.findall(rf"^\| `{name}` \|(.*)$", PAGE, re.MULTILINE)
    own = [key for key in kind.options.model_fields if key not in Options.model_fields]
    assert [key for key in own if f"`{key}`" not in row] == []
    if name != "log":
        assert row.rsplit("|", 2)[1].strip().startswith("no") is kind.deduplicates


def test_what_all_channels_know_is_there() -> None:
    """Common keys, kinds of notifications, and a sentence for each option."""
    assert [key for key in Options.model_fields if f"`{key}`" not in PAGE] == []
    assert [kind for kind in get_args(Kind) if f"| {kind} |" not in PAGE] == []
    assert [
        f"{name}.{key}" for name, kind in SHELF.items() for key, field in kind.options.model_fields.items() if not field.description
    ] == []
