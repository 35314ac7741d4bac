"""Deployed flows, executed as Jobs of a fake cluster by a real worker at a real server."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from towpath._state_type import StateType

from tests.cluster.processes import ProcessKubelet
from tests.cluster.server import ApiServer
from tests.scenarios.servers import wait_until
from tests.scenarios.work_sites import Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("work", "kubernetes")


TEMPLATE = {"image": "flows:1", "limits": {"memory": "1Gi"}, "stop_seconds": 0.2}


class Cluster(Site):
    """A site whose pool is of Jobs."""

    def __init__(self, server: Any, api: ApiServer) -> None:
        super().__init__(server, kind="kubernetes", job_template=TEMPLATE)
        self.api = api
        self.kubelet = ProcessKubelet(api.store, folder=server.home / "nodes", image=self.folder)
        self.variables["KUBECONFIG"] = str(api.kubeconfig(server.home))

    def close(self) -> None:
        super().close()
        self.kubelet.close()


@pytest.fixture
def cluster(make_server: Any) -> Iterator[Cluster]:
    server = make_server()
    server.start()
    with ApiServer() as api, closing(Cluster(server, api)) as made:
        made.start_worker()
        yield made


def test_flows_run_as_jobs_and_end_as_elsewhere(cluster: Cluster, tmp_path: Path) -> None:
    for name in ("completes", "fails", "crashes_once"):
        cluster.deploy(name, max_crash_retries=1)
    cluster.deploy("missing", file="broken.py")
    begun = {
        "completes": cluster.begin("completes", number=21),
        "fails": cluster.begin("fails"),
        "missing": cluster.begin("missing"),
        "crashes_once": cluster.begin("crashes_once", place=str(tmp_path)),
    }
    assert cluster.ended(begun["completes"]).state is StateType.COMPLETED
    failed = cluster.ended(begun["fails"])
    assert failed.state is StateType.FAILED
    assert "no such day" in cluster.last(failed.id).message
    missing = cluster.ended(begun["missing"])
    assert (missing.state, missing.reason) == (StateType.CRASHED, "START_FAILED")
    failure = cluster.last(missing.id).failure
    assert failure is not None
    assert "nothing_like_it" in failure.message
    assert cluster.ended(begun["crashes_once"]).state is StateType.COMPLETED
    [crashed] = [
        item
        for item in cluster.client.transitions(begun["crashes_once"])
        if item.after is StateType.CRASHED
    ]
    assert "killed (SIGKILL), container runs/tp-" in crashed.message
    assert "0 children left" in crashed.message


def test_a_run_goes_on_without_its_worker_and_is_killed_by_the_next_one(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.deploy("waits")
    cluster.deploy("stubborn")
    goes, stays = tmp_path / "goes", tmp_path / "stays"
    for folder in (goes, stays):
        folder.mkdir()
    run_id = cluster.begin("waits", place=str(goes))
    stubborn = cluster.begin("stubborn", place=str(stays))
    for folder in (goes, stays):
        wait_until((folder / "begun").exists, "it has begun")
    cluster.workers[0].kill()
    cluster.workers[0].wait()
    cluster.start_worker()
    assert cluster.log.count("is taken over") == 2
    (goes / "go").touch()
    assert cluster.ended(run_id).state is StateType.COMPLETED
    cluster.client.cancel(stubborn, grace_seconds=0.1)
    assert cluster.ended(stubborn).state is StateType.CANCELLED
    assert "killed (SIGKILL), container runs/tp-" in cluster.last(stubborn).message
    assert len(list(cluster.client.transitions(run_id))) == len(
        {item.after for item in cluster.client.transitions(run_id)}
    )


def test_a_run_that_lacked_memory_says_so_and_what_helps(cluster: Cluster, tmp_path: Path) -> None:
    cluster.kubelet.reasons[137] = "OOMKilled"
    cluster.deploy("crashes_once")
    run = cluster.ended(cluster.begin("crashes_once", place=str(tmp_path)))
    assert (run.state, run.reason) == (StateType.CRASHED, "OUT_OF_MEMORY")
    [reason] = cluster.client.explain(run.id).reasons
    assert "used more memory than its limit 1Gi" in reason.message
    assert reason.command == "towpath deployment inspect crashes-once/it"


def test_restarts_of_server_and_worker_lose_and_double_no_run(
    cluster: Cluster, tmp_path: Path
) -> None:
    cluster.deploy("waits")
    folders = [tmp_path / str(number) for number in range(4)]
    begun: list[str] = []
    for folder in folders:
        folder.mkdir()
        begun.append(cluster.begin("waits", place=str(folder)))
    for folder in folders:
        wait_until((folder / "begun").exists, "it has begun")
    cluster.workers[0].kill()
    cluster.workers[0].wait()
    cluster.server.restart()
    cluster.api.store.compact()
    cluster.reconnect()
    cluster.start_worker()
    for folder in folders:
        (folder / "go").touch()
    assert {cluster.ended(run_id).state for run_id in begun} == {StateType.COMPLETED}
    assert len(cluster.kubelet.processes) == len(folders)
