"""What delivery does for the run of a worker: directives reach it, and it reports for itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from towpath._delivery import session
from towpath._delivery.directives import hand_on
from towpath._delivery.outbox import LEASE_VARIABLE, META, Outbox
from towpath._delivery.sender import Sender
from towpath._delivery.session import Session
from towpath.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("forked", "token", "may"),
    [(False, False, True), (True, False, False), (False, True, False)],
)
def test_only_a_process_that_may_report_for_others_takes_over(
    tmp_path: Path, forked: bool, token: bool, may: bool
) -> None:
    sender = object.__new__(Sender)
    sender._forked = forked
    sender._settings = Settings(home=tmp_path, run_token_file=tmp_path / "t" if token else None)
    assert sender._may_take_over is may


def test_a_session_hands_directives_to_what_follows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    class Heard:
        def __init__(self, *_: object, on_directive: object, **__: object) -> None:
            given.append(on_directive)

        def flush(self, timeout_seconds: float) -> bool:
            return timeout_seconds > 0

    monkeypatch.setattr(session, "Sender", Heard)
    Session(Settings(home=tmp_path)).let_go()
    assert given == [hand_on]


@pytest.mark.parametrize("lease_id", ["", "lease-1"])
def test_an_outbox_names_the_lease_of_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lease_id: str
) -> None:
    monkeypatch.setenv(LEASE_VARIABLE, lease_id)
    outbox = Outbox(tmp_path)
    assert json.loads((outbox.folder / META).read_text())["lease_id"] == lease_id
    outbox.close(remove=True)
