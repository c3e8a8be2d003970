"""`dialect` of an upstream's configuration takes what there are readers for, and nothing else."""

from __future__ import annotations

import re
from typing import get_args

from config.options import Dialect
from proxy.providers import SESSIONS, SHELF


def test_the_configuration_knows_the_readers_dialects():
    """The configuration may not import the readers, so its list is held equal to theirs here."""
    readers = {line.reader.dialect.partition(".")[0] for line in SHELF} | {line.reader.dialect.partition(".")[0] for line in SESSIONS}
    assert set(get_args(Dialect)) == readers
    assert list(get_args(Dialect)) == sorted(readers)


def test_every_line_that_asks_for_an_upstream_can_be_named():
    """What depends on an upstream's name is reached by a dialect that may be configured."""
    for line in SHELF:
        assert not line.upstream or any(re.fullmatch(line.upstream, dialect) for dialect in get_args(Dialect)), line
