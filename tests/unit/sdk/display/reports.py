"""Reports of runs, as short as tests want them."""

from __future__ import annotations

from typing import Any

from towpath._delivery.reports import RunReport, StateReport
from towpath._state_type import StateType

ROOT = "018f0000-0000-7000-8000-00000000abcd"
RUNNING = StateType.RUNNING


def state(kind: StateType = RUNNING, at: float = 0.0, **fields: Any) -> StateReport:
    return StateReport(state=kind, time=at, **fields)


def root(name: str = "nightly", at: float = 0.0) -> RunReport:
    return RunReport(
        run_id=ROOT, kind="flow", state=state(at=at), display_name=name, flow_name=name
    )


def task(
    run_id: str, name: str, first: StateReport | None = None, parent: str = ROOT, **fields: Any
) -> RunReport:
    return RunReport(
        run_id=run_id,
        kind="task",
        state=first or state(),
        display_name=name,
        task_name=name.partition("[")[0],
        parent_run_id=parent,
        root_run_id=ROOT,
        **fields,
    )
