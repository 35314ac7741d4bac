"""A fake API server, and a kind that is connected to it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from towpath._settings.declared import Settings
from towpath._work.kinds.kubernetes.client import LightkubeCluster
from towpath._work.kinds.kubernetes.kind import KubernetesKind
from towpath._work.kinds.kubernetes.names import job_name
from towpath._work.kinds.kubernetes.watching import Pace
from towpath._work.leases import Lease

from tests.budgets import patience
from tests.cluster.kubelet import Kubelet
from tests.cluster.server import ApiServer
from tests.scenarios.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._work.kinds.kubernetes.handle import JobHandle
    from towpath._work.proof import RunEnd

DEADLINE_SECONDS = patience(180.0)
FAST = Pace(first=0.002, most=0.02, relist=600.0)
RUN_ID = "01900000-0000-7000-8000-00000000{:04d}"
LEASE_ID = "0190aaaa-0000-7000-8000-00000000{:04d}"


def lease_of(number: int = 1, *, fence: int = 1, **options: Any) -> Lease:
    """A lease with an image."""
    template = {"image": "flows:1", **options.pop("template", {})}
    return Lease(
        lease_id=LEASE_ID.format(number * 10 + fence),
        run_id=RUN_ID.format(number),
        attempt=1,
        fence=fence,
        entrypoint="etl.py:main",
        template=template,
        **options,
    )


@dataclass
class Site:
    """A worker's kind on a fake cluster."""

    api: ApiServer
    kubelet: Kubelet
    folder: Path
    said: list[str] = field(default_factory=list)
    pace: Pace = FAST
    stack: ExitStack = field(default_factory=ExitStack)

    def made(self, worker: str = "w", **options: Any) -> KubernetesKind:
        """A kind that hasn't begun; those of one name adopt each other's Jobs."""
        config = self.api.kubeconfig(self.folder)
        return KubernetesKind(
            Settings(home=self.folder / "home", server_address="towpath:4200"),
            lambda: LightkubeCluster(kubeconfig=config),
            pool="k",
            worker=worker,
            tell=self.said.append,
            pace=self.pace,
            tick_seconds=options.pop("tick_seconds", 0.01),
            **options,
        )

    def kind(self, worker: str = "w", **options: Any) -> KubernetesKind:
        """A kind that has begun, and ends with the test."""
        return self.stack.enter_context(self.made(worker, **options))

    def job(self, lease: Lease) -> dict[str, Any]:
        """The Job of a lease, as the server has it."""
        return self.api.store.objects["jobs", job_name(lease)]

    def names(self, resource: str) -> set[str]:
        return {item["metadata"]["name"] for item in self.api.store.of(resource)}

    def wait_for(self, text: str) -> None:
        wait_until(lambda: any(text in each for each in self.said), text)


@pytest.fixture(scope="module")
def api_server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def site(api_server: ApiServer, tmp_path: Path) -> Iterator[Site]:
    api_server.reset()
    made = Site(api_server, Kubelet(api_server.store), tmp_path)
    with made.stack:
        yield made


def end_of(handle: JobHandle) -> RunEnd:
    """How a run ends; the time limit is only for tests that fail."""
    end = handle.wait(DEADLINE_SECONDS)
    assert end is not None
    return end
