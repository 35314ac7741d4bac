"""What retries reuse, what they run again, and what can't be told before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from towpath._deploy.retry_plan import check_kept, names_with_subflows, plan_retry
from towpath._results.places import Folder
from towpath._results.store import StoredResults, kept_at
from towpath._state_type import StateType
from towpath.client import Run, Step
from towpath.exceptions import DefinitionError, ResultsExpired

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def run(name: str, second: int = 0, state: StateType = StateType.COMPLETED, **fields: Any) -> Run:
    at = NOW + timedelta(seconds=second)
    known: dict[str, Any] = {
        "id": f"{name}@{second}",
        "short_id": name,
        "kind": "task",
        "name": name,
        "flow_id": "etl",
        "flow": "etl",
        "task": name.partition("[")[0],
        "state": state,
        "reason": "",
        "message": "",
        "attempt": 1,
        "revision": 1,
        "parent_id": "root",
        "root_id": "root",
        "created": at,
        "started": at,
        "ended": at + timedelta(seconds=1),
        "state_since": at,
        "running_seconds": 1.0,
    }
    return Run(**{**known, **fields})


def as_told(uri: str, now: float) -> Any:
    """Finds a result in the way that its address says."""
    del now
    return uri


ROOT = run("etl", id="root", parent_id="", state=StateType.FAILED, task="")


def step(made: Run, *upstream: str, uri: str = "here", index: int = 0, key: str = "k") -> Step:
    return Step(run=made, key=key, index=index, result_uri=uri, upstream_ids=upstream)


def plan(*steps: Step, from_tasks: tuple[str, ...] = ()) -> dict[str, tuple[str, str]]:
    planned = plan_retry(ROOT, steps, from_tasks, 0.0, as_told)
    return {each.step.run.name: (each.decision, each.why) for each in planned}


def test_each_step_has_its_reason() -> None:
    assert plan(
        step(run("kept", 1)),
        step(run("failed", 2, StateType.FAILED)),
        step(run("unkept", 3), uri=""),
        step(run("old", 4), uri="expired"),
        step(run("removed", 5), uri="gone"),
        step(run("away", 6), uri="elsewhere"),
        step(run("after", 7), "failed@2"),
    ) == {
        "kept": ("reused", ""),
        "failed": ("run again", "it is FAILED"),
        "unkept": ("run again", "its result is not kept: set persist_result"),
        "old": ("run again", "its stored result has expired"),
        "removed": ("run again", "its stored result is gone"),
        "away": ("cannot tell", "its result is stored on another machine"),
        "after": ("cannot tell", "its inputs may change: failed runs again"),
    }


def test_a_named_task_runs_again_with_what_depends_on_it() -> None:
    found = plan(
        step(run("extract[0]", 1)),
        step(run("extract[1]", 1), index=1),
        step(run("first", 3), "extract[0]@1"),
        step(run("second", 3), "extract[1]@1"),
        step(run("third", 4), "second@3"),
        step(run("beside", 1)),
        from_tasks=("extract[1]",),
    )
    assert {name: decision for name, (decision, _) in found.items()} == {
        "extract[0]": "reused",
        "extract[1]": "run again",
        "beside": "reused",
        # It was called after the named task had ended: the flow's code may have used its result.
        "first": "cannot tell",
        "second": "run again",
        "third": "run again",
    }


def test_the_latest_attempt_of_a_step_counts() -> None:
    assert plan(step(run("load", 1, StateType.FAILED)), step(run("load", 9))) == {
        "load": ("reused", "")
    }


def test_subflows_are_reused_whole_or_run_again() -> None:
    subflow = run("prepare", 1, task="", flow="prepare", kind="flow")
    inner = run("clean", 2, parent_id=subflow.id)
    assert list(plan(step(subflow, key=""), step(inner))) == ["prepare"]
    found = plan(step(subflow, key="", uri=""), step(inner))
    assert found["clean"] == ("cannot tell", "it is within prepare, which runs again")
    steps = [step(subflow, key=""), step(inner)]
    assert names_with_subflows(ROOT, steps, ["clean"]) == ["clean", "prepare"]


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(DefinitionError, match="did you mean 'load'"):
        plan(step(run("load", 1)), from_tasks=("laod",))


def test_lost_results_before_a_named_task_are_an_error() -> None:
    steps = [step(run("extract", 1), uri="expired"), step(run("load", 3), "extract@1")]
    planned = plan_retry(ROOT, steps, ("load",), 0.0, as_told)
    with pytest.raises(ResultsExpired, match=r"extract\. Give --again"):
        check_kept(planned)


def test_a_stored_result_is_found_without_reading_it(tmp_path: Path) -> None:
    store = StoredResults(Folder(tmp_path))
    fields: dict[str, Any] = {"run_id": "r", "serializer": "json"}
    lasting = store.write("a", 1, expires=None, **fields)
    short = store.write("b", 1, expires=10.0, **fields)
    assert [kept_at(lasting.uri, 99.0), kept_at(short.uri, 9.0), kept_at(short.uri, 10.0)] == [
        *("here", "here", "expired")
    ]
    path = tmp_path / short.uri.rpartition("/")[2][:2] / short.uri.rpartition("/")[2]
    path.write_text(json.dumps([]))
    assert kept_at(short.uri, 0.0) == "unreadable"
    path.unlink()
    assert kept_at(short.uri, 0.0) == "gone"
    assert kept_at("file:///no/such/folder/ab/abc", 0.0) == "elsewhere"
    assert kept_at("s3://bucket/ab/abc", 0.0) == "elsewhere"
