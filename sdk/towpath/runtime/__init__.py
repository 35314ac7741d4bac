"""The current runs: `flow_run`, `task_run` and `deployment`, whose attributes are read from them.

    from towpath.runtime import flow_run, task_run

    flow_run.name, flow_run.parameters, task_run.run_count

Outside of runs attributes are None, or empty.
"""

from __future__ import annotations

from towpath.runtime import deployment, flow_run, task_run

__all__ = ["deployment", "flow_run", "task_run"]
