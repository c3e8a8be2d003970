"""Reads exported files with the target tools' own loaders, in an environment that has them: `python loaders.py DIRECTORY`.

It imports nothing of this project, and prints a line a tool as JSON: {tool, version, rows, with, said}. Run by scripts/loaders and by
test_loaders.py.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def langsmith(directory: Path) -> tuple[int, str]:
    from langsmith.schemas import ExampleCreate

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # `outputs` is the name on the wire still
        made = [ExampleCreate(**row) for row in rows(directory / "langsmith.jsonl")]
    assert all(one.id and one.inputs and one.metadata for one in made)
    return len(made), "langsmith.schemas.ExampleCreate"


def braintrust(directory: Path) -> tuple[int, str]:
    from braintrust import logger

    given = rows(directory / "braintrust.jsonl")
    about = logger.ProjectDatasetMetadata(
        project=logger.ObjectMetadata(id="p", name="p", full_info={}), dataset=logger.ObjectMetadata(id="d", name="golden", full_info={})
    )
    with logger._internal_with_memory_background_logger() as memory:
        dataset = logger.Dataset(lazy_metadata=logger.LazyValue(lambda: about, use_mutex=False))
        for row in given:
            assert dataset.insert(**row) == row["id"]
        sent = memory.pop()
    assert len({one["id"] for one in sent}) == len(given)
    return len(sent), "Dataset.insert, with its in-memory logger"


def deepeval(directory: Path) -> tuple[int, str]:
    from deepeval.dataset import EvaluationDataset

    dataset = EvaluationDataset()
    dataset.add_goldens_from_json_file(str(directory / "deepeval.json"))
    assert all(one.input and one.additional_metadata for one in dataset.goldens)
    assert any(one.expected_output for one in dataset.goldens)
    assert any(one.expected_tools for one in dataset.goldens)
    return len(dataset.goldens), "EvaluationDataset.add_goldens_from_json_file"


def langfuse(directory: Path) -> tuple[int, str]:
    from langfuse.api import CreateDatasetItemRequest
    from langfuse.api.core.pydantic_utilities import parse_obj_as
    from langfuse.api.core.serialization import convert_and_respect_annotation_metadata

    given = rows(directory / "langfuse.jsonl")
    for row in given:
        read = parse_obj_as(CreateDatasetItemRequest, row)
        assert read.dataset_name == "golden"
        assert not read.model_extra
        wire = convert_and_respect_annotation_metadata(
            object_=read.dict(exclude_unset=True), annotation=CreateDatasetItemRequest, direction="write"
        )
        assert wire == row
    return len(given), "the API's CreateDatasetItemRequest, read and written again"


def mlflow(directory: Path) -> tuple[int, str]:
    given = json.loads((directory / "mlflow.json").read_text(encoding="utf-8"))
    import mlflow as package
    from mlflow.genai.datasets import create_dataset

    with tempfile.TemporaryDirectory() as place:
        package.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
        dataset = create_dataset(name="golden", experiment_id="0")
        dataset.merge_records(given)
        dataset.merge_records(given)  # the same inputs are the same record
        return len(dataset.to_df()), "EvaluationDataset.merge_records and to_df, on SQLite, twice"


def phoenix(directory: Path) -> tuple[int, str]:
    import httpx
    from phoenix.client import Client

    body = json.loads((directory / "phoenix.json").read_text(encoding="utf-8"))
    sent: list[httpx.Request] = []

    def server(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, text="99.0.0") if request.url.path == "/arize_phoenix_version" else httpx.Response(503)

    address = "http://127.0.0.1:9"
    client = Client(base_url=address, http_client=httpx.Client(transport=httpx.MockTransport(server), base_url=address))
    with contextlib.suppress(Exception):  # the stand-in has nothing to say; what matters is what the client would send
        client.datasets.create_dataset(name=body["name"], dataset_description=body["description"], examples=_examples(body))
    theirs = next(json.loads(one.content) for one in sent if one.url.path.endswith("/v1/datasets/upload"))
    assert theirs == body, [name for name in {*theirs, *body} if theirs.get(name) != body.get(name)]
    return len(body["inputs"]), "the body that create_dataset sends, compared key by key"


def _examples(body: dict[str, Any]) -> list[dict[str, Any]]:
    names = {"inputs": "input", "outputs": "output", "metadata": "metadata", "splits": "splits", "span_ids": "span_id", "example_ids": "id"}
    return [{names[key]: body[key][n] for key in names} for n in range(len(body["inputs"]))]


TOOLS: dict[str, tuple[str, Callable[[Path], tuple[int, str]]]] = {
    "langsmith": ("langsmith", langsmith),
    "braintrust": ("braintrust", braintrust),
    "deepeval": ("deepeval", deepeval),
    "langfuse": ("langfuse", langfuse),
    "mlflow": ("mlflow", mlflow),
    "phoenix": ("arize-phoenix-client", phoenix),
}

if __name__ == "__main__":
    for tool, (package_name, check) in TOOLS.items():
        try:
            number, by = check(Path(sys.argv[1]))
            print(json.dumps({"tool": tool, "version": version(package_name), "rows": number, "with": by, "said": "ok"}))
        except Exception as error:
            print(json.dumps({"tool": tool, "rows": None, "said": f"{type(error).__name__}: {error}"[:400]}))
