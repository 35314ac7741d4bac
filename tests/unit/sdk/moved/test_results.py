"""Where results are kept, under which key, and in which form."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath.cache_policies import INPUTS, NO_CACHE
from towpath.exceptions import DefinitionError, ResultError
from towpath.filesystems import LocalFileSystem, WritableFileSystem

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from pathlib import Path


class Shelf(WritableFileSystem):
    """Files in memory, which others may write."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self.files)

    def read_path(self, path: str) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def write_path(self, path: str, content: bytes) -> None:
        self.files[path] = content


class Slow(WritableFileSystem):
    """A file system of coroutines, which is refused."""

    async def read_path(self, path: str) -> bytes:  # type: ignore[override]
        raise NotImplementedError

    async def write_path(self, path: str, content: bytes) -> None:
        raise NotImplementedError


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
        ({"result_storage": "ftp://bucket"}, "s3://"),
        ({"result_storage": Slow()}, "not async"),
        ({"result_storage": 5}, "a folder"),
        ({"result_storage_key": ""}, "a template"),
        ({"result_serializer": "compressed/yaml"}, "compressed/json"),
    ],
)
def test_storages_and_keys_of_other_kinds_are_refused(options: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        task(**options)(lambda: None)


@moves("filesystems.LocalFileSystem")
def test_a_folder_as_an_object_keeps_results_of_a_flow_and_its_tasks(tmp_path: Path) -> None:
    @task(result_storage=LocalFileSystem(basepath=tmp_path / "own"))
    def own() -> int:
        return 1

    @task
    def other() -> int:
        return 2

    @flow(result_storage=LocalFileSystem(basepath=str(tmp_path / "flows")))
    def around() -> int:
        return own() + other()

    assert around() == 3
    assert len(files(tmp_path / "own")) == 1
    assert len(files(tmp_path / "flows")) == 2


@moves("filesystems.WritableFileSystem", "LocalFileSystem.read_path", "LocalFileSystem.write_path")
def test_files_of_a_folder_stay_within_it(tmp_path: Path) -> None:
    place = LocalFileSystem(basepath=tmp_path)
    assert place.write_path("a/b.txt", b"one") == str(tmp_path / "a" / "b.txt")
    place.write_path("a/b.txt", b"two")
    assert place.read_path("a/b.txt") == b"two"
    assert files(tmp_path) == [b"two"]
    with pytest.raises(ValueError, match="leads out"):
        place.read_path("../b.txt")


def test_a_file_system_of_ones_own_keeps_results_and_no_unsigned_pickles() -> None:
    shelf = Shelf()
    made = task(cache_policy=INPUTS, result_storage=shelf)(lambda: [1])
    assert made() == made() == [1]
    assert made(return_state=True).name == "Cached"
    assert len(shelf.files) == 1
    pickled = task(result_storage=shelf, result_serializer="pickle")(lambda: 1)
    with pytest.raises(ResultError, match="signing_key"):
        pickled()


def test_an_address_keeps_results() -> None:
    made = task(cache_policy=INPUTS, result_storage="memory:///")(lambda: [2])
    assert made() == [2]
    assert made(return_state=True).name == "Cached"


@pytest.mark.parametrize(
    "options",
    [{"result_storage": "folder"}, {"result_serializer": "json"}, {"result_storage_key": "one"}],
)
def test_an_option_on_results_turns_persistence_on(options: dict[str, Any]) -> None:
    assert task(**options)(lambda: None).persist_result is True
    assert task(**options, persist_result=False)(lambda: None).persist_result is False
    if "result_storage_key" not in options:
        assert flow(**options)(lambda: None).persist_result is True
    assert task(lambda: None).persist_result is flow(lambda: None).persist_result is None


def _returned(number: int) -> int:
    return number


def test_a_storage_key_counts_before_a_policy_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options: dict[str, Any] = {"result_storage": tmp_path, "result_storage_key": "one"}
    with caplog.at_level(logging.WARNING, "towpath.results"):
        made = task(cache_policy=INPUTS, **options)(_returned)
    assert "makes no keys" in caplog.text
    assert [made(1), made(2)] == [1, 1]
    without = task(cache_policy=NO_CACHE, **options)(_returned)
    assert without(3) == 3
