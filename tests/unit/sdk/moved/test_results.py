"""Where results are kept, under which key, and in which form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.cache_policies import INPUTS
from towpath.exceptions import DefinitionError

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from pathlib import Path


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


@moves("result_storage")
def test_results_are_kept_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    calls: list[int] = []

    @task(cache_policy=INPUTS, result_storage=tmp_path / "tasks")
    def kept(number: int) -> int:
        calls.append(number)
        return number

    @flow(persist_result=True, result_storage=str(tmp_path / "flows"))
    def around() -> int:
        return kept(1) + kept(1)

    assert around() == 2
    assert calls == [1]
    assert len(files(tmp_path / "tasks")) == len(files(tmp_path / "flows")) == 1


def test_the_storage_of_a_policy_counts_first(tmp_path: Path) -> None:
    policy = INPUTS.configure(key_storage=tmp_path / "keys")
    task(cache_policy=policy, result_storage=tmp_path / "other")(lambda: 1)()
    assert len(files(tmp_path / "keys")) == 1
    assert not (tmp_path / "other").exists()


@moves("result_storage_key")
def test_a_template_makes_the_key(tmp_path: Path) -> None:
    calls: list[int] = []

    @task(
        persist_result=True,
        result_storage=tmp_path,
        result_storage_key="{flow_run.flow_name}-{parameters[day]}",
    )
    def report(day: int, detail: int) -> int:
        calls.append(detail)
        return detail

    @flow
    def nightly() -> list[int]:
        return [report(1, 10), report(1, 20), report(2, 30)]

    assert nightly() == [10, 10, 30]
    assert calls == [10, 30]


@pytest.mark.parametrize("kind", ["json", "pickle"])
def test_compressed_results_come_back_and_take_less_room(kind: Any, tmp_path: Path) -> None:
    value = ["the same words again"] * 500
    sizes: list[int] = []
    for serializer in (kind, f"compressed/{kind}"):
        folder = tmp_path / serializer
        options: dict[str, Any] = {"cache_policy": INPUTS, "result_storage": folder}
        made = task(**options, result_serializer=serializer)(lambda: [*value])
        assert made() == made() == value
        assert made(return_state=True).name == "Cached"
        (content,) = files(folder)
        sizes.append(len(content))
    assert sizes[1] < sizes[0] / 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"result_storage": "s3://bucket"}, "a folder"),
        ({"result_storage": 5}, "a folder"),
        ({"result_storage_key": ""}, "a template"),
        ({"result_serializer": "compressed/yaml"}, "compressed/json"),
    ],
)
def test_storages_and_keys_of_other_kinds_are_refused(options: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        task(**options)(lambda: None)
