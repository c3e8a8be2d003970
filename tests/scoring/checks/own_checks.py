"""Checks as a user writes them, in a module of their own."""

from __future__ import annotations

from dataclasses import dataclass

from scoring.checks.contract import Finding


@dataclass(frozen=True)
class Options:
    """How many words are enough."""

    words: int = 3


def terse(exchange, options):
    """At most so many words."""
    return Finding(len(exchange.text.split()) <= options.words, "counted")


terse.Options = Options


def plain(exchange, options):
    """Says what its table says."""
    return Finding(options.get("pass", False), "as told")


def broken(exchange, options):
    """Raises, as code of a first draft does."""
    raise KeyError("no such thing")


NUMBER = 5
