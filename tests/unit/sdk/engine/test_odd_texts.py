"""Runs with texts that UTF-8 or a database can't hold."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath import flow, get_run_logger, tags, task
from towpath._delivery import messages
from towpath.testing import Harness, harness

ODD = "caf\udce9 \0 end"
ANY_TEXT = st.text(st.characters() | st.characters(categories=["Cs"]) | st.just("\0"), max_size=20)


def _serialized(recorded: Harness) -> None:
    """Fails where a report is none that the contract's messages can hold."""
    for run in recorded.runs:
        for text in (run.name, *(line.body for line in run.logs)):
            assert "\0" not in text
            text.encode("utf-8")


@given(text=ANY_TEXT)
def test_a_run_with_any_text_ends_as_its_code_does(text: str) -> None:
    @task(task_run_name="{name}", tags=[f"tag {text}"])
    def logs(name: str) -> str:
        get_run_logger().info("reading %s", name)
        return name

    @flow(name=f"flow {text}", flow_run_name="of {name}")
    def takes(name: str) -> str:
        with tags(name):
            return logs(name)

    with harness() as recorded:
        assert takes(text) == text
    assert [run.state for run in recorded.runs] == ["COMPLETED", "COMPLETED"]
    _serialized(recorded)


@pytest.mark.parametrize("place", ["message", "logger", "cause"])
def test_a_failure_with_odd_text_is_the_users_own(place: str) -> None:
    kind = type("Odd", (Exception,), {})

    @flow
    def fails() -> None:
        if place == "logger":
            logging.getLogger(ODD).warning("odd")
        raise kind(ODD) from (ValueError(ODD) if place == "cause" else None)

    with harness() as recorded, pytest.raises(kind):
        fails()
    assert recorded.run("fails").state == "FAILED"
    _serialized(recorded)


def test_odd_text_is_delivered() -> None:
    kept: list[bytes] = []

    class Keeps:
        def create(self, run: object) -> None:
            kept.append(messages.creation(run).SerializeToString())  # type: ignore[arg-type]

        def transition(self, run_id: str, state: object) -> None:
            kept.append(messages.transition(run_id, state).SerializeToString())  # type: ignore[arg-type]

        def log(self, line: object) -> None:
            kept.append(messages.log_record(line))  # type: ignore[arg-type]

        def flush(self, timeout_seconds: float) -> bool:
            return True

    from towpath._delivery.session import use_reporter  # noqa: PLC0415 - beside its one use

    @flow(name=ODD, tags=[ODD], version=ODD, log_prints=True)
    def fails() -> None:
        get_run_logger().info(ODD)
        raise ValueError(ODD)

    with use_reporter(Keeps()), pytest.raises(ValueError, match="caf"):  # type: ignore[arg-type]
        fails()
    assert len(kept) == 3
    assert all(b"caf\\udce9" in report for report in kept)
