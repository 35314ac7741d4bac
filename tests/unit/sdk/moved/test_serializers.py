"""Serializers of results as objects."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow, task
from towpath._results.places import Folder
from towpath._results.serializing import may_run_code
from towpath._results.store import StoredResults, Trust
from towpath.cache_policies import INPUTS
from towpath.exceptions import DefinitionError, ResultError
from towpath.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


WRONG: Any = Serializer


class Plain(Serializer):
    """Plain JSON, which makes lists of tuples."""

    type: str = "plain"
    indent: int | None = None

    def dumps(self, obj: Any) -> bytes:
        return json.dumps(obj, indent=self.indent).encode()

    def loads(self, blob: bytes) -> Any:
        return json.loads(blob)


class Unnamed(Plain):
    type: str = ""


@dataclass
class Place:
    name: str


class Frame:
    """Like a data frame: only its own serializer knows its content."""

    def __init__(self, cells: list[int]) -> None:
        self.cells = cells
        self.lock: Callable[[], None] = lambda: None


class Frames(Serializer):
    type: str = "frames"

    def dumps(self, obj: Frame) -> bytes:
        return bytes(obj.cells)

    def loads(self, blob: bytes) -> Frame:
        return Frame(list(blob))


def head(folder: Path) -> dict[str, Any]:
    (file,) = (path for path in folder.rglob("*") if path.is_file())
    found: dict[str, Any] = json.loads(file.read_bytes().partition(b"\n")[0])
    return found


@moves(
    *("serializers.Serializer", "serializers.JSONSerializer", "serializers.PickleSerializer"),
    *("serializers.CompressedSerializer", "serializers.CompressedJSONSerializer"),
    "serializers.CompressedPickleSerializer",
)
@pytest.mark.parametrize(
    ("serializer", "form"),
    [
        (JSONSerializer(), "json"),
        (PickleSerializer(), "pickle"),
        (CompressedSerializer(serializer="json"), "compressed/json"),
        (CompressedSerializer(serializer=PickleSerializer()), "compressed/pickle"),
        (CompressedJSONSerializer(), "compressed/json"),
        (CompressedPickleSerializer(), "compressed/pickle"),
        (CompressedJSONSerializer(compressionlib="lzma"), "compressed:lzma/json"),
        (
            CompressedSerializer(serializer=Plain(), compressionlib="bz2"),
            "compressed:bz2/own:plain",
        ),
        (Plain(indent=2), "own:plain"),
        (Unnamed(), f"own:{__name__}.Unnamed"),
    ],
)
def test_results_come_back_by_a_serializer(
    serializer: Serializer, form: str, tmp_path: Path
) -> None:
    value = {"words": ["one", 2, None]}
    options: dict[str, Any] = {"cache_policy": INPUTS, "result_storage": tmp_path}
    made = task(**options, result_serializer=serializer)(lambda: value)
    assert made.result_serializer is serializer
    assert made() == made() == value
    assert made(return_state=True).name == "Cached"
    assert head(tmp_path)["serializer"] == form
    assert serializer.loads(serializer.dumps(value)) == value


def test_a_name_and_the_object_of_that_form_read_each_other(tmp_path: Path) -> None:
    calls: list[str] = []
    for serializer in ("compressed/json", CompressedJSONSerializer()):
        options: dict[str, Any] = {"result_storage": tmp_path, "result_storage_key": "one"}

        @task(persist_result=True, **options, result_serializer=serializer)
        def kept() -> int:
            calls.append("called")
            return 3

        assert kept() == 3
    assert calls == ["called"]


def test_results_of_another_form_are_computed_anew(tmp_path: Path) -> None:
    options: dict[str, Any] = {"result_storage": tmp_path, "result_storage_key": "one"}

    def of(value: int, serializer: Any) -> int:
        made = task(persist_result=True, **options, result_serializer=serializer)(lambda: value)
        result: int = made()
        return result

    assert of(1, Plain()) == 1
    assert of(2, Plain()) == 1
    assert of(3, "json") == 3


def test_results_of_flows_are_written_by_a_serializer(tmp_path: Path) -> None:
    @flow(persist_result=True, result_storage=tmp_path, result_serializer=Plain())
    def made() -> list[int]:
        return [1]

    assert made() == [1]
    assert head(tmp_path)["serializer"] == "own:plain"


def test_classes_that_only_their_serializer_knows_are_kept(tmp_path: Path) -> None:
    options: dict[str, Any] = {"cache_policy": INPUTS, "result_storage": tmp_path}

    @task(**options, result_serializer=Frames())
    def frame() -> Frame:
        return Frame([1, 2])

    assert frame().cells == frame().cells == [1, 2]
    assert frame(return_state=True).name == "Cached"


class Silent(Plain):
    def dumps(self, obj: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("value", "serializer", "says"),
    [
        ([1, (2, 3)], Plain(), r"doesn't come back from Plain as it was: its part \[1\]"),
        ((1, 2), Plain(), "it would be something else"),
        ([True, {1: 2}], Plain(), r"its part \[1\]"),
        (Place("here"), Plain(), "not JSON serializable"),
        (1, Silent(), "dumps returned a NoneType"),
        ([1], Frames(), "no attribute 'cells'"),
    ],
)
def test_a_result_that_comes_back_as_something_else_fails_the_run(
    value: Any, serializer: Any, says: str
) -> None:
    made = task(persist_result=True, result_serializer=serializer)(lambda: value)
    with pytest.raises(ResultError, match=says):
        made()


class Shared(Folder):
    shared = True


def test_in_shared_places_forms_of_ones_own_need_trust(tmp_path: Path) -> None:
    place = Shared(tmp_path)
    options: dict[str, Any] = {"run_id": "r", "serializer": Plain(), "expires": None}
    with pytest.raises(ResultError, match=r"'own:plain' are not kept.*results\.signing_key"):
        StoredResults(place).write("k", 1, **options)
    signed = StoredResults(place, Trust(signing_key="s" * 20))
    signed.write("k", 1, **options)
    found = signed.read("k", Plain())
    assert found is not None
    assert found[1] == 1
    with pytest.raises(ResultError, match="can run code"):
        StoredResults(place).read("k", Plain())


@pytest.mark.parametrize(
    ("form", "runs"),
    [
        *(("json", False), ("compressed/json", False), ("compressed:lzma/json", False)),
        *(("pickle", True), ("compressed/pickle", True), ("pickle:dill", True)),
        *(("own:plain", True), ("own:a/json", True), ("compressed/own:a/json", True)),
    ],
)
def test_what_may_run_code_is_known_by_its_form(form: str, runs: bool) -> None:
    assert may_run_code(form) is runs


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: CompressedSerializer(serializer="yaml"), "'json' or 'pickle'"),
        (lambda: CompressedSerializer(serializer=WRONG), "an object of towpath.serializers"),
        (lambda: CompressedJSONSerializer(compressionlib="nowhere"), "installed module"),
        (lambda: CompressedJSONSerializer(compressionlib="json"), "no function 'compress'"),
        (lambda: PickleSerializer(picklelib="zlib"), "no function 'dumps'"),
        (lambda: task(result_serializer=WRONG)(len), "an object of towpath.serializers"),
    ],
)
def test_serializers_of_other_kinds_are_refused(make: Any, says: str) -> None:
    with pytest.raises(DefinitionError, match=says):
        make()
