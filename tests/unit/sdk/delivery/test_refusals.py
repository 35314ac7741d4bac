"""One outbox that is refused doesn't keep the others of its home from being delivered."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from towpath._delivery.outbox import META, Outbox, lock_outbox, outboxes
from towpath._delivery.refusals import REFUSED, described, noted_refusal
from towpath._delivery.reports import StateReport
from towpath._delivery.takeover import DeliveryReport, deliver_waiting
from towpath._state_type import StateType
from towpath.cli.local.check_outboxes import outbox_checks
from towpath.exceptions import (
    InvalidRequest,
    NotFound,
    NotSignedIn,
    RpcError,
    ServerUnreachable,
)

from tests.budgets import examples
from tests.unit.sdk.delivery.fake_ingest import FakeService, FakeUnaryTransport

if TYPE_CHECKING:
    from pathlib import Path

UPDATES = 3


class FakeServer:
    """A fake service for each producer; workspaces can be refused, and calls are counted."""

    address = "fake"

    def __init__(self, **refused: RpcError) -> None:
        self.refused = refused
        self.calls: list[str] = []
        self.taken: dict[str, str] = {}
        """Workspaces of the producers that have delivered something."""
        self._services: dict[str, FakeService] = {}

    def unary(self, method: str, request: Any, *, timeout_seconds: float = 10.0) -> Any:
        del timeout_seconds
        workspace = request.workspace.removeprefix("workspaces/")
        self.calls.append(workspace)
        if workspace in self.refused:
            raise self.refused[workspace]
        self.taken[request.producer_id] = workspace
        service = self._services.setdefault(request.producer_id, FakeService())
        return FakeUnaryTransport(service).unary(method, request)

    def delivered(self, folder: Path) -> int:
        """The number of updates of an outbox that arrived."""
        service = self._services.get(folder.name)
        return 0 if service is None else service.committed

    def server_stream(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def bidi_stream(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""


def no_workspace(workspace: str) -> NotFound:
    resource = f"workspaces/{workspace}"
    return NotFound(
        f"{resource} was not found",
        code="NOT_FOUND",
        reason="RESOURCE_NOT_FOUND",
        metadata={"resource": resource},
    )


def left_behind(home: Path, workspace: str = "default") -> Path:
    """The outbox of a process that ended before a server took its reports."""
    outbox = Outbox(home, workspace=workspace)
    for number in range(1, UPDATES + 1):
        outbox.transition(str(number), StateReport(state=StateType.COMPLETED, time=1.0, attempt=1))
    outbox.close(remove=False)
    return outbox.folder


def refused_paths(report: DeliveryReport) -> set[str]:
    return {refusal.path for refusal in report.refused}


@pytest.mark.parametrize("place", range(3))
def test_a_refused_outbox_holds_up_none_before_or_after_it(tmp_path: Path, place: int) -> None:
    folders = [left_behind(tmp_path, "typo" if n == place else "default") for n in range(3)]
    server = FakeServer(typo=no_workspace("typo"))
    report = deliver_waiting(tmp_path, server)
    assert [server.delivered(folder) for folder in folders] == [
        0 if n == place else UPDATES for n in range(3)
    ]
    assert outboxes(tmp_path) == [folders[place]]
    assert refused_paths(report) == {str(folders[place])}
    assert (report.producers, report.updates) == (2, 2 * UPDATES)


@settings(max_examples=examples(40), deadline=None)
@given(
    workspaces=st.lists(st.sampled_from(["default", "typo", "shut", "odd"]), max_size=8),
)
def test_all_but_the_refused_ones_arrive_whatever_their_order(
    tmp_path_factory: pytest.TempPathFactory, workspaces: list[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    folders = {left_behind(home, workspace): workspace for workspace in workspaces}
    server = FakeServer(
        typo=no_workspace("typo"),
        shut=NotSignedIn("you may not", code="PERMISSION_DENIED"),
        odd=InvalidRequest("odd", code="INVALID_ARGUMENT"),
    )
    report = deliver_waiting(home, server)
    waiting = {folder for folder, workspace in folders.items() if workspace != "default"}
    assert set(outboxes(home)) == waiting
    assert refused_paths(report) == {str(folder) for folder in waiting}
    assert all(
        server.delivered(folder) == (0 if folder in waiting else UPDATES) for folder in folders
    )


@pytest.mark.parametrize(
    "error",
    [
        ServerUnreachable("away", code="UNAVAILABLE"),
        NotSignedIn("the key is revoked", code="UNAUTHENTICATED"),
    ],
)
def test_an_error_that_all_would_meet_is_raised_at_once(tmp_path: Path, error: RpcError) -> None:
    folders = [left_behind(tmp_path) for _ in range(3)]
    server = FakeServer(default=error)
    with pytest.raises(type(error)):
        deliver_waiting(tmp_path, server)
    assert len(server.calls) == 1
    assert outboxes(tmp_path) == sorted(folders)


def test_a_workspace_that_is_refused_is_asked_for_once(tmp_path: Path) -> None:
    for _ in range(5):
        left_behind(tmp_path, "typo")
    left_behind(tmp_path)
    server = FakeServer(typo=no_workspace("typo"))
    report = deliver_waiting(tmp_path, server)
    assert server.calls.count("typo") == 1
    assert len(report.refused) == 5
    (warning,) = report.warnings
    assert warning.startswith("5 outboxes were not delivered: workspaces/typo was not found")
    assert "and 2 more" in warning
    assert "towpath sync --move typo NAME" in warning


def test_a_moved_outbox_is_delivered_to_the_right_workspace(tmp_path: Path) -> None:
    folder, other = left_behind(tmp_path, "typo"), left_behind(tmp_path, "team-a")
    server = FakeServer(typo=no_workspace("typo"))
    assert refused_paths(deliver_waiting(tmp_path, server)) == {str(folder)}
    report = deliver_waiting(tmp_path, server, moves={"typo": "team-b"})
    assert report.refused == []
    assert server.taken == {folder.name: "team-b", other.name: "team-a"}
    assert server.delivered(folder) == UPDATES
    assert outboxes(tmp_path) == []


def damage_description(folder: Path) -> None:
    (folder / META).write_text("{", encoding="utf-8")


def describe_with_a_list(folder: Path) -> None:
    (folder / META).write_text("[]", encoding="utf-8")


def put_something_else_there(folder: Path) -> None:
    (folder / "updates-once.frames").touch()


def put_a_folder_for_a_segment(folder: Path) -> None:
    (segment,) = folder.glob("updates-*.frames")
    segment.unlink()
    segment.mkdir()


@pytest.mark.parametrize(
    "spoil",
    [
        damage_description,
        describe_with_a_list,
        put_something_else_there,
        put_a_folder_for_a_segment,
    ],
    ids=lambda spoil: spoil.__name__,
)
def test_an_outbox_that_can_not_be_read_holds_up_none_and_is_named(
    tmp_path: Path, spoil: Any
) -> None:
    spoiled, whole = left_behind(tmp_path), left_behind(tmp_path)
    spoil(spoiled)
    server = FakeServer()
    report = deliver_waiting(tmp_path, server)
    assert server.delivered(whole) == UPDATES
    assert refused_paths(report) == {str(spoiled)}
    assert outboxes(tmp_path) == [spoiled]
    (warning,) = report.warnings
    assert str(spoiled) in warning


def test_an_outbox_without_its_description_is_delivered_when_everything_is(tmp_path: Path) -> None:
    folder = left_behind(tmp_path)
    damage_description(folder)
    server = FakeServer()
    assert deliver_waiting(tmp_path, server, everything=True).refused == []
    assert server.taken == {folder.name: "default"}


def test_the_description_of_an_outbox_that_just_begins_is_no_damage(tmp_path: Path) -> None:
    folder = tmp_path / "outbox" / "01978d2a-7c1e-7aaa-8bbb-0123456789ab"
    folder.mkdir(parents=True)
    descriptor = lock_outbox(folder)
    assert descriptor is not None
    (folder / META).touch()
    report = deliver_waiting(tmp_path, FakeServer(), include_live=True)
    os.close(descriptor)
    assert (report.refused, report.producers) == ([], 0)


def test_an_outbox_of_an_ended_process_with_the_same_process_id_is_delivered(
    tmp_path: Path,
) -> None:
    # The first process of each container has the same id.
    folder = left_behind(tmp_path)
    assert json.loads((folder / META).read_text())["pid"] == os.getpid()
    server = FakeServer()
    deliver_waiting(tmp_path, server)
    assert server.delivered(folder) == UPDATES


def test_a_living_process_elsewhere_with_the_same_process_id_is_another_one(
    tmp_path: Path,
) -> None:
    own, other = Outbox(tmp_path), Outbox(tmp_path)
    meta = json.loads((other.folder / META).read_text())
    (other.folder / META).write_text(json.dumps(meta | {"host": "elsewhere"}))
    for outbox in (own, other):
        outbox.transition("1", StateReport(state=StateType.RUNNING, time=1.0, attempt=1))
    server = FakeServer()
    deliver_waiting(tmp_path, server, include_live=True)
    assert (server.delivered(own.folder), server.delivered(other.folder)) == (0, 1)
    for outbox in (own, other):
        outbox.close(remove=True)


def test_a_refusal_is_noted_for_the_doctor_until_the_outbox_is_taken(tmp_path: Path) -> None:
    folder = left_behind(tmp_path, "typo")
    server = FakeServer(typo=no_workspace("typo"))
    deliver_waiting(tmp_path, server)
    noted = noted_refusal(folder)
    assert noted is not None
    assert (noted.workspace, noted.code) == ("typo", "NOT_FOUND")
    checks = list(outbox_checks(tmp_path))
    assert [check.verdict for check in checks] == ["warning", "warning"]
    assert "workspaces/typo was not found" in checks[1].text
    assert str(folder) in checks[1].text
    assert "--move typo NAME" in checks[1].fix
    server.refused.clear()
    deliver_waiting(tmp_path, server)
    assert [check.text for check in outbox_checks(tmp_path)] == ["no outbox waits"]


@pytest.mark.parametrize("content", ["", "[]", '{"path": "x"}', '"x"'])
def test_a_note_that_is_cut_or_strange_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / REFUSED).write_text(content, encoding="utf-8")
    assert noted_refusal(tmp_path) is None


def test_what_was_refused_for_other_reasons_waits_for_another_sync(tmp_path: Path) -> None:
    left_behind(tmp_path)
    server = FakeServer(default=RpcError("odd", code="INTERNAL"))
    ((text, way_out),) = described(deliver_waiting(tmp_path, server).refused)
    assert text.startswith("1 outbox was not delivered: odd (")
    assert way_out.startswith("Once this is fixed, `towpath sync`")
