from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from towpath._state_type import StateType
from towpath.exceptions import Conflict, InvalidRequest, NotFound

if TYPE_CHECKING:
    from towpath.client import Client

    from tests.contract.client.filling import Producer

ONE = "01a208de-61b7-71d9-86a7-8f73e5dc3bdb"
SAME_ENDING = "01a208de-61b7-71d9-86a7-8f73aadc3bdb"


def test_a_run_comes_back_as_values(client: Client, producer: Producer) -> None:
    before = datetime.now(UTC)
    run_id = producer.run("nightly", StateType.FAILED, message="no file")
    run = client.run(run_id)
    assert (run.id, run.kind, run.name, run.flow) == (run_id, "flow", "nightly", "nightly_etl")
    assert (run.state, run.message, run.attempt, run.revision) == ("FAILED", "no file", 1, 2)
    assert (run.parent_id, run.root_id, run.tags) == ("", run_id, ("night",))
    assert run.parameters == '{"day": "monday"}'
    assert run.started is not None
    assert run.ended is not None
    assert run.started >= before.replace(microsecond=0)
    assert run.failure is not None
    assert run.failure.type == "builtins.ValueError"
    assert run.failure.cause is not None
    assert run.failure.cause.message == "disk"


def test_histories_and_decisions_are_told_in_order(client: Client, producer: Producer) -> None:
    run_id = producer.run("nightly")
    producer.end(run_id, StateType.RUNNING)
    history = list(client.transitions(run_id))
    assert [(item.before, item.after) for item in history] == [
        (None, "RUNNING"),
        ("RUNNING", "COMPLETED"),
    ]
    decisions = list(client.decisions(run_id))
    assert [item.accepted for item in decisions] == [True, True, False]
    assert decisions[-1].after == "RUNNING"
    assert decisions[-1].source == "producer"


def test_a_tree_has_its_parents_first_and_counts_children(
    client: Client, producer: Producer
) -> None:
    parent = producer.run("nightly", StateType.RUNNING)
    child = producer.run("load", kind="task", parent=parent)
    nodes, truncated = client.graph(parent)
    assert [(node.id, node.parent_id, node.kind) for node in nodes] == [
        (parent, "", "flow"),
        (child, parent, "task"),
    ]
    assert not truncated
    assert client.run(parent).child_counts == {StateType.COMPLETED: 1}
    assert set(client.runs_by_id([parent, child, ONE])) == {parent, child}


def test_lists_go_over_pages_up_to_the_limit(client: Client, producer: Producer) -> None:
    ids = [producer.run(f"run-{number}") for number in range(7)]
    assert [run.id for run in client.runs(limit=3)] == ids[:-4:-1]
    assert len(list(client.runs(limit=None))) == 7
    assert [run.id for run in client.runs(filter_='display_name = "run-2"')] == [ids[2]]
    (flow,) = client.flows()
    assert (flow.id, flow.name) == ("nightly-etl", "nightly_etl")


def test_an_empty_parent_selects_the_runs_that_no_run_started(
    client: Client, producer: Producer
) -> None:
    root = producer.run("nightly", StateType.RUNNING)
    child = producer.run("load", kind="task", parent=root)
    alone = producer.run("alone", kind="task")
    assert {run.id for run in client.runs(filter_='parent_run = ""')} == {root, alone}
    assert {run.id for run in client.runs(filter_='parent_run != ""')} == {child}
    outermost = 'kind = flow AND parent_run = ""'
    assert {run.id for run in client.runs(filter_=outermost)} == {root}


def test_a_deleted_run_is_gone_and_a_running_one_is_kept(
    client: Client, producer: Producer
) -> None:
    ended, running = producer.run("a"), producer.run("b", StateType.RUNNING)
    client.delete(ended)
    with pytest.raises(NotFound):
        client.run(ended)
    with pytest.raises(Conflict):
        client.delete(running)


@pytest.mark.parametrize(
    "written",
    [ONE, ONE.upper(), f"run_{ONE}", "efjxreyv", "EFJXREYV", "reyv", "jxreyv", " efjxreyv "],
)
def test_a_run_is_found_by_every_form_of_its_id(
    client: Client, producer: Producer, written: str
) -> None:
    producer.run("nightly", run_id=ONE)
    assert client.run(written).id == ONE


def test_letters_that_look_like_digits_are_read_as_those(
    client: Client, producer: Producer
) -> None:
    run_id = producer.run("nightly", run_id="01a208de-61b7-71d9-86a7-000000000020")
    assert client.run(run_id).short_id == "00000010"
    assert client.run("oooooolo").id == run_id
    assert client.run("ooooooIO").id == run_id


def test_a_short_id_that_fits_several_runs_names_them(client: Client, producer: Producer) -> None:
    producer.run("monday", run_id=ONE)
    producer.run("tuesday", run_id=SAME_ENDING)
    with pytest.raises(Conflict, match=r"efjxreyv \(monday\).*Give more characters") as raised:
        client.run("reyv")
    assert "(tuesday)" in str(raised.value)
    assert client.run("efjxreyv").id == ONE


@pytest.mark.parametrize("written", ["", "abc", "not-an-id", "uuuu", 'a" OR ', f"{ONE}0", "run_"])
def test_what_cannot_be_an_id_is_refused_without_asking(client: Client, written: str) -> None:
    with pytest.raises(InvalidRequest, match="is no run id"):
        client.run(written)


def test_an_id_that_no_run_has_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound, match="zzzz"):
        client.run("zzzz")
    with pytest.raises(NotFound):
        client.run(ONE)


def test_log_lines_of_a_run_and_below_are_told_by_time_and_level(
    client: Client, producer: Producer
) -> None:
    parent = producer.run("nightly", StateType.RUNNING)
    child = producer.run("load", kind="task", parent=parent)
    producer.log(parent, ["begin"])
    producer.log(child, ["careful"], severity=13)
    producer.end(parent, StateType.COMPLETED)
    lines = list(client.logs(parent))
    assert [(line.run_id, line.severity, line.body) for line in lines] == [
        (parent, "INFO", "begin"),
        (child, "WARN", "careful"),
    ]
    assert [line.body for line in client.logs(parent, level="WARNING")] == ["careful"]
    assert [line.body for line in client.tail(parent)] == ["begin", "careful"]
    assert [line.body for line in client.tail(parent, level="warning")] == ["careful"]
    with pytest.raises(InvalidRequest, match="there are DEBUG, INFO"):
        list(client.logs(parent, level="LOUD"))


def test_a_watch_tells_what_there_is_then_what_changes(client: Client, producer: Producer) -> None:
    run_id = producer.run("nightly", StateType.RUNNING)
    events = client.watch_runs(f'root_run = "{run_id}"')
    first = list(itertools.islice(events, 2))
    assert [(event.kind, event.run_id) for event in first] == [("added", run_id), ("synced", "")]
    producer.end(run_id, StateType.COMPLETED)
    change = next(events)
    assert change.run is not None
    assert (change.kind, change.run.state) == ("modified", "COMPLETED")
    client.delete(run_id)
    assert next(events).kind == "removed"
    events.close()  # type: ignore[attr-defined]


def test_a_list_goes_on_with_what_changes_after_it(client: Client, producer: Producer) -> None:
    first = producer.run("first")
    runs, events = client.runs_then_changes()
    second = producer.run("second", StateType.RUNNING)
    assert [run.id for run in runs] == [first]
    assert next(events).run_id == second
    events.close()  # type: ignore[attr-defined]


def test_a_service_tells_what_it_is(client: Client) -> None:
    info = client.server_info()
    assert info.version
    assert abs((info.time - datetime.now(UTC)).total_seconds()) < 60
