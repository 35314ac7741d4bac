"""The list and watch loop, against all that an API server does to it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from towpath._work.kinds.kubernetes.client import LightkubeCluster
from towpath._work.kinds.kubernetes.watching import Pace, View

from tests.unit.sdk.work.kubernetes.conftest import DEADLINE_SECONDS, FAST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.cluster.server import ApiServer
    from tests.unit.sdk.work.kubernetes.conftest import Site

pytestmark = pytest.mark.subject("work")


class Watched:
    """A view of Jobs, and what it has told."""

    def __init__(self, api: ApiServer) -> None:
        self.api = api
        self.there: set[str] = set()
        self.gone: list[str] = []
        self.errors: list[int] = []

    def change(self, item: dict[str, Any], is_gone: bool) -> None:
        name = item["metadata"]["name"]
        if is_gone:
            self.there.discard(name)
            self.gone.append(name)
        else:
            self.there.add(name)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():  # noqa: ASYNC110 - the other side is another thread
                await asyncio.sleep(0.001)

    async def settled(self) -> None:
        """Waits until the view has all that the server has."""
        await self.until(
            lambda: self.there == {item["metadata"]["name"] for item in self.api.store.of("jobs")}
        )

    def add(self, *names: str) -> None:
        for name in names:
            self.api.store.add("jobs", {"metadata": {"name": name, "labels": {"a": "b"}}})


@asynccontextmanager
async def watching(site: Site, pace: Pace = FAST) -> AsyncIterator[Watched]:
    site.kubelet.makes_pods = False
    cluster = LightkubeCluster(kubeconfig=site.api.kubeconfig(site.folder))
    watched = Watched(site.api)
    view = View(
        cluster,
        "jobs",
        "a=b",
        on_change=watched.change,
        on_error=lambda error: watched.errors.append(error.code),
        pace=pace,
    )
    task = asyncio.create_task(view.run())
    await watched.until(view.listed.is_set)
    try:
        yield watched
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cluster.close()


async def test_changes_come_by_the_watch_after_one_list(site: Site) -> None:
    async with watching(site) as watched:
        watched.add("one", "two")
        await watched.settled()
        site.api.store.remove("jobs", "one")
        await watched.settled()
        assert (watched.gone, site.api.count("list", "jobs")) == (["one"], 1)


async def test_a_cut_watch_goes_on_from_its_last_version(site: Site) -> None:
    async with watching(site) as watched:
        for number in range(5):
            site.api.cut_watches()
            watched.add(f"job-{number}")
            await watched.settled()
        assert site.api.count("list", "jobs") == 1
        assert set(watched.errors) == {0}


@pytest.mark.parametrize("as_status", [False, True], ids=["as an event", "as an answer"])
async def test_a_version_that_is_too_old_has_all_listed_and_the_missing_told_as_gone(
    site: Site, as_status: bool
) -> None:
    site.api.gone_as_status = as_status
    async with watching(site) as watched:
        watched.add("stays", "goes")
        await watched.settled()
        await watched.until(lambda: site.api.watches == 1)
        site.api.fail("watch", "jobs", 503, times=1_000_000)
        site.api.cut_watches()
        await watched.until(lambda: site.api.watches == 0)
        site.api.store.remove("jobs", "goes")
        site.api.store.compact()
        watched.add("comes")
        site.api.faults.clear()
        await watched.until(lambda: "goes" in watched.gone)
        await watched.settled()
        assert watched.there == {"stays", "comes"}
        assert site.api.count("list", "jobs") == 2


async def test_a_server_that_always_answers_410_is_not_asked_without_pauses(site: Site) -> None:
    pace = Pace(first=0.05, most=0.05, relist=600)
    site.api.fail("watch", "jobs", 410, times=1000)
    begun = asyncio.get_running_loop().time()
    async with watching(site, pace):
        await asyncio.sleep(0.2)
        passed = asyncio.get_running_loop().time() - begun
        # The jitter halves a pause at most.
        assert site.api.count("list", "jobs") <= 1 + passed / 0.025


async def test_a_watch_that_ends_at_once_is_not_asked_without_pauses(site: Site) -> None:
    pace = Pace(first=0.05, most=0.05, relist=600)
    site.api.watch_seconds = 0.0
    begun = asyncio.get_running_loop().time()
    async with watching(site, pace):
        await asyncio.sleep(0.2)
        passed = asyncio.get_running_loop().time() - begun
        assert site.api.count("watch", "jobs") <= 1 + passed / 0.05


async def test_a_busy_server_is_asked_again_when_it_wants(site: Site) -> None:
    async with watching(site) as watched:
        loop = asyncio.get_running_loop()
        await watched.until(lambda: site.api.watches == 1)
        site.api.fail("watch", "jobs", 429, retry_after=0.2)
        begun = loop.time()
        site.api.cut_watches()
        await watched.until(lambda: 429 in watched.errors)
        watched.add("one")
        await watched.settled()
        assert loop.time() - begun >= 0.2


async def test_a_missing_right_ends_no_loop(site: Site) -> None:
    site.api.role["jobs"].remove("watch")
    async with watching(site) as watched:
        await watched.until(lambda: 403 in watched.errors)
        site.api.role["jobs"].add("watch")
        watched.add("one")
        await watched.settled()


async def test_all_is_listed_again_every_so_often(site: Site) -> None:
    async with watching(site, Pace(first=0.001, most=0.01, relist=1.0)) as watched:
        watched.add("one")
        await watched.until(lambda: site.api.count("list", "jobs") >= 2)
        assert watched.there == {"one"}
        assert watched.errors == []


async def test_thousands_of_jobs_are_listed_page_by_page(site: Site) -> None:
    site.kubelet.makes_pods = False
    for number in range(2100):
        site.api.store.add("jobs", {"metadata": {"name": f"j{number}", "labels": {"a": "b"}}})
    async with watching(site) as watched:
        await watched.settled()
        assert len(watched.there) == 2100
        assert site.api.count("list", "jobs") == 5
