"""Answers at once that there is no pandas: DuckDB asks for it at every element of every parameter, and Python would search all of its path.

Measured: 225 µs an element of a list where nobody answers, 24 µs with this. Where pandas is installed nothing is changed. (None in
sys.modules would be quicker still, but pyarrow takes that for a pandas without a version.)
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Final

NAME: Final = "pandas"


class WithoutPandas(MetaPathFinder):
    """A finder that knows one name, and that it is not there."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Nothing for all other names. Raises ModuleNotFoundError for this one."""
        if fullname == NAME:
            raise ModuleNotFoundError(f"No module named {NAME!r}", name=NAME)


def install() -> None:
    """Put it first, once, where there is no pandas."""
    if not any(isinstance(one, WithoutPandas) for one in sys.meta_path) and importlib.util.find_spec(NAME) is None:
        sys.meta_path.insert(0, WithoutPandas())
