"""Reading the log in pages: no row is lost to the log's limits without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.options import Sql
from config.settings import Settings
from proxy.service.client import Access, ServiceError
from scoring.pages import day, exchanges, paged, rows
from tests.scoring import made


def test_an_answer_that_was_cut_off_is_an_error_and_pages_are_whole(tmp_path: Path) -> None:
    """Where an operator allows few rows, half an answer once passed for the whole; pages shrink to what is allowed."""
    data = tmp_path / "data"
    data.mkdir()
    made.fill(data, 25)
    settings = Settings(data_dir=data, sql=Sql(max_rows=10))
    with Access(settings) as access:
        with pytest.raises(ServiceError, match=r"more than 10 rows for an answer: raise \[sql\] max_rows = 10"):
            rows(access, "SELECT exchange_id::VARCHAR AS id FROM exchanges")
        assert len(rows(access, "SELECT exchange_id::VARCHAR AS id FROM exchanges LIMIT 10")) == 10
        assert len(list(paged(access, "SELECT exchange_id::VARCHAR AS id FROM exchanges", "id"))) == 25
        assert [len(page) for page in exchanges(access, day(made.DAY), "true", {})] == [10, 10, 5]
