"""What is told at a glance is what the contract's validator says."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towpath.api.v1 import ingest_service_pb2 as pb
from towpath_service.rpc.validation import first_violation
from towpath_service.runs.rpc import convert_updates
from towpath_service.runs.rpc.convert_updates import to_update
from towpath_service.runs.rpc.plain_updates import is_plain

from tests.budgets import examples
from tests.contract.rpc.test_any_bytes import messages
from tests.in_process.producing import creation, new_id, transition

if TYPE_CHECKING:
    from collections.abc import Iterator

RIGHT = "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
LENGTHS = (0, 1, 62, 63, 64, 127, 128, 255, 256, 2048, 2049, 8192, 8193)
TEXTS = [
    *(RIGHT, RIGHT.upper(), RIGHT + "\n", RIGHT[:-1], RIGHT.replace("-", "_")),
    *("nightly-load", "nightly-", "-", "é", "UPSTREAM_FAILED", "A_", "_A", "a_b", "AA\n", "9"),
    *(letter * length for letter in "xXé" for length in LENGTHS),
]
NUMBERS = [0, 1, 2, 3, 12, 13, -1, 2**31 - 1, -(2**31)]
TIMES: list[dict[str, int]] = [{}, {"seconds": 1}, {"seconds": 2**62}, {"nanos": -1}]
PAYLOAD: dict[str, list[Any]] = {
    **dict.fromkeys(("content_type", "uri"), TEXTS),
    "data": [b"", b"x"],
    "size_bytes": NUMBERS,
    "sha256": [b"x" * length for length in (0, 1, 31, 32, 33)],
    "metadata": [{}, {"": "a"}, {"a": "a"}, {"a": "x" * 1025}],
}
REPORT: dict[str, list[Any]] = {
    **dict.fromkeys(("state", "attempt", "fence"), NUMBERS),
    **dict.fromkeys(("reason", "message"), TEXTS),
    "failure": [{}, {"type": "x" * 10_000}],
    "next_attempt_time": TIMES,
    "pause": [{}, {"key": "1"}, {"key": "x" * 256}],
    "result": [{}, *({name: one} for name, values in PAYLOAD.items() for one in values)],
}
CONTEXTS = [{}, *({name: "x" * n} for name in ("traceparent", "tracestate") for n in (55, 56, 513))]
CREATION: dict[str, list[Any]] = {
    **dict.fromkeys(("kind", "task_index"), NUMBERS),
    **dict.fromkeys(("flow_id", "flow_name", "task_key", "task_name", "display_name"), TEXTS),
    **dict.fromkeys(("code_version", "cache_key"), TEXTS),
    **dict.fromkeys(("parent_run_id", "root_run_id", "cached_from_run_id"), TEXTS),
    **dict.fromkeys(("scheduled_time", "timeout"), TIMES),
    "initial": [{}, *({"state": 3, name: one} for name in REPORT for one in REPORT[name])],
    "parameters": REPORT["result"],
    "tags": [[], [""], ["a"], ["x" * 64]],
    "labels": [{}, {"a": "b"}],
    "dependencies": [[], [{"run_id": RIGHT}], [{"run_id": "x"}]],
    "retry_policy": [{}, {"max_attempts": -1}],
    "trace_context": CONTEXTS,
}
UPDATE: dict[str, list[Any]] = {
    "run_id": TEXTS,
    "occur_time": TIMES,
    "heartbeat": [{}, {"attempt": -1}],
    "progress": [{}, {"completed": -1.0}],
    "amend": [{}, {"display_name": "x" * 256}],
    "artifact": [{}, {"artifact_id": RIGHT, "kind": 1, "content": {"data": b"x"}, "key": "A"}],
    "trace_context": CONTEXTS,
}


def good(**change: Any) -> dict[str, Any]:
    return {"run_id": RIGHT, "occur_time": {"seconds": 1}, **change}


def every_edge() -> Iterator[dict[str, Any]]:
    """A right update with each field at each of its edges in turn."""
    report, created = {"state": 7}, {"kind": 2}
    yield {"run_id": RIGHT, "transition": report}
    for name, values in UPDATE.items():
        yield from (good(transition=report) | {name: value} for value in values)
    for name, values in REPORT.items():
        yield from (good(transition=report | {name: value}) for value in values)
    for name, values in CREATION.items():
        yield from (good(create=created | {name: value}) for value in values)


def agree(fields: dict[str, Any]) -> None:
    """Holds both verdicts of an update together, and what it is converted to."""
    update = pb.Update(**fields)
    if is_plain(update):
        assert not first_violation(update), update
    quick = to_update(update, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convert_updates, "is_plain", lambda _: False)
        assert to_update(update, 1) == quick


def test_no_field_at_its_edge_is_judged_otherwise() -> None:
    for fields in every_edge():
        agree(fields)


@settings(max_examples=examples(200), deadline=None)
@given(edges=st.lists(st.sampled_from(list(every_edge())), min_size=2, max_size=3))
def test_no_edges_together_are_judged_otherwise(edges: list[dict[str, Any]]) -> None:
    kinds = {kind for kind in ("create", "transition") for edge in edges if kind in edge}
    merged = dict(chain.from_iterable(edge.items() for edge in edges))
    for kind in kinds:
        parts = [edge[kind].items() for edge in edges if kind in edge]
        merged[kind] = dict(chain.from_iterable(parts))
    if len(kinds) == 1:
        agree(merged)


@settings(max_examples=examples(300), deadline=None)
@given(fields=messages(pb.Update.DESCRIPTOR, 4))
def test_no_field_of_the_contract_is_judged_otherwise(fields: dict[str, Any]) -> None:
    agree(fields)


def test_every_field_has_edges() -> None:
    told = {"create": CREATION, "transition": REPORT}
    assert set(pb.Update.DESCRIPTOR.fields_by_name) == UPDATE.keys() | told.keys()
    for name, edges in told.items():
        of_kind = pb.Update.DESCRIPTOR.fields_by_name[name].message_type
        assert set(of_kind.fields_by_name) == edges.keys()
    payload = pb.RunCreation.DESCRIPTOR.fields_by_name["parameters"].message_type
    assert set(payload.fields_by_name) == PAYLOAD.keys()


@pytest.mark.parametrize(
    "update",
    [
        creation(RIGHT),
        creation(RIGHT, flow_id="etl", parent_run_id=new_id(), root_run_id=new_id(), task_key="k"),
        transition(RIGHT),
        pb.Update(**good(transition={"state": 12, "reason": "UPSTREAM_FAILED"})),
        pb.Update(**good(transition={"state": 7, "result": {"data": b"1"}})),
    ],
    ids=["root", "task", "end", "skipped", "result"],
)
def test_common_updates_are_plain(update: pb.Update) -> None:
    assert is_plain(update)
