"""A release that waits for somebody's approval.

python examples/approval.py

towpath run ls --state PAUSED

towpath run resume RUN --input approve=true
"""

from __future__ import annotations

from towpath import flow, pause_flow_run, task
from towpath.input import RunInput


class Approval(RunInput):
    """What the release waits for."""

    approve: bool
    note: str = ""


@task(persist_result=True)
def build(version: str) -> str:
    """Builds what is to be released."""
    return f"app-{version}.tar.gz"


@task
def publish(file: str, note: str) -> str:
    """Publishes it."""
    return f"{file} is published ({note})"


@flow(log_prints=True)
def release(version: str = "1.4.0") -> str:
    """Builds a version, and publishes it once it is approved.

    Args:
        version: The version.
    """
    file = build(version)
    wanted = Approval.with_initial_data(f"Publish {file}?", note="no remarks")
    approval = pause_flow_run(wait_for_input=wanted, timeout=3600)
    if not approval.approve:
        return f"{file} is not published ({approval.note})"
    return publish(file, approval.note)


if __name__ == "__main__":
    print(release())
