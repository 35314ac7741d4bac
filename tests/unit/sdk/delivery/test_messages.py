"""Messages say what reports say, also where those of several runs share a part."""

from __future__ import annotations

from dataclasses import replace

from towpath._delivery.messages import creation
from towpath._delivery.reports import RunReport, StateReport
from towpath._state_type import StateType
from towpath.api.v1 import ingest_service_pb2, state_pb2

FIRST = RunReport(
    run_id="one",
    kind="task",
    state=StateReport(state=StateType.RUNNING, time=1.5),
    display_name="double",
    flow_id="etl",
    flow_name="ETL",
    task_key="m.double",
    task_name="double",
    parent_run_id="parent",
    root_run_id="root",
    code_version="2",
    tags=("slow",),
    max_attempts=3,
    cache_key="key",
    cached_from_run_id="zero",
)


def test_a_creation_has_all_of_its_report() -> None:
    update = creation(FIRST)
    again = ingest_service_pb2.Update(run_id="one")
    again.occur_time.seconds, again.occur_time.nanos = 1, 500_000_000
    create = again.create
    create.kind = 2  # type: ignore[assignment]
    create.display_name, create.flow_id, create.flow_name = "double", "etl", "ETL"
    create.task_key, create.task_name, create.code_version = "m.double", "double", "2"
    create.parent_run_id, create.root_run_id = "parent", "root"
    create.cache_key, create.cached_from_run_id = "key", "zero"
    create.initial.state, create.initial.attempt = state_pb2.RUN_STATE_RUNNING, 1
    create.tags.append("slow")
    create.retry_policy.max_attempts = 3
    assert update == again


def test_creations_of_one_task_share_nothing_of_a_single_run() -> None:
    before = creation(FIRST).SerializeToString()
    second = replace(
        FIRST,
        run_id="two",
        display_name="double[1]",
        task_index=1,
        tags=(),
        max_attempts=1,
        cache_key="",
        cached_from_run_id="",
    )
    create = creation(second).create
    assert (create.display_name, create.task_index) == ("double[1]", 1)
    assert (create.cache_key, create.cached_from_run_id, list(create.tags)) == ("", "", [])
    assert not create.HasField("retry_policy")
    assert create.task_name == "double"
    other = creation(replace(second, flow_id="other", parent_run_id="p", root_run_id=""))
    assert (other.create.flow_id, other.create.parent_run_id) == ("other", "p")
    assert other.create.root_run_id == ""
    assert creation(FIRST).SerializeToString() == before


def test_names_that_are_too_long_are_cut() -> None:
    create = creation(replace(FIRST, flow_name="f" * 300, task_key="k" * 300)).create
    assert (create.flow_name, create.task_key) == ("f" * 255, "k" * 255)
