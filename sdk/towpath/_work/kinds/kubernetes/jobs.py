"""The Jobs of a worker, followed and ended in one event loop."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from towpath._work import shim
from towpath._work.kinds.kubernetes import names
from towpath._work.kinds.kubernetes.calls import Calls
from towpath._work.kinds.kubernetes.cluster import CONFLICT, FORBIDDEN, NOT_FOUND, ClusterAway
from towpath._work.kinds.kubernetes.cluster import ClusterError as Refused
from towpath._work.kinds.kubernetes.endings import Seen, given_up, judge, pull_fails
from towpath._work.kinds.kubernetes.handle import JobHandle
from towpath._work.kinds.kubernetes.logs import PodLog
from towpath._work.kinds.kubernetes.manifest import TOKEN, JobLimits, lost_fields, secret_of
from towpath._work.kinds.kubernetes.watching import View

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from towpath._work.kinds.kubernetes.cluster import Cluster, Object
    from towpath._work.kinds.kubernetes.watching import Pace
    from towpath._work.leases import Lease
    from towpath._work.proof import RunEnd

_START_SECONDS: Final = 30.0
"""Longest time to try to create a Job."""
_ADOPT_SECONDS: Final = 60.0
"""Longest time to try to find the Jobs of earlier workers."""
_LOG_SECONDS: Final = 10.0
"""Longest wait for the last lines of a run that has ended."""
ORPHAN_SECONDS: Final = 60.0
"""Age at which a Job without a lease is deleted: the answer to its create was lost."""
_UNSAID: Final = frozenset({"", "SHUTDOWN"})


class Jobs:
    """The Jobs of a worker; all methods belong to its loop."""

    def __init__(
        self,
        cluster: Cluster,
        labels: Mapping[str, str],
        folder: Path,
        *,
        pace: Pace,
        tell: Callable[[str], object],
        tick_seconds: float = 1.0,
    ) -> None:
        """Follows nothing yet.

        Args:
            cluster: The cluster.
            labels: Labels of all objects of the worker.
            folder: Folder on the worker's machine for tokens.
            pace: The pauses between calls.
            tell: Called with what is to be said to people; from the loop's thread.
            tick_seconds: Time between looks at what time changes.
        """
        self.cluster = cluster
        self._labels = labels
        self._folder = folder
        self._pace = pace
        self._tell = tell
        self._tick_seconds = tick_seconds
        self._calls = Calls(cluster.namespace, pace, tell)
        self._handles: dict[str, JobHandle] = {}
        self._orphans: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Begins to follow."""
        self._spawn(self._view("jobs", self._job_changed, without=names.ACKNOWLEDGED).run())
        self._spawn(self._view("pods", self._pod_changed).run())
        self._spawn(self._tick())

    async def close(self) -> None:
        """Ends all that is under way; the Jobs go on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.cluster.close()

    async def start(self, lease: Lease, job: Object, files: Mapping[str, str]) -> JobHandle:
        """Creates the Job of a lease, or finds the one that an earlier try has created.

        Raises:
            ValueError: The server refuses it.
            OSError: The server is away, or the worker may not.
        """
        handle = self._handle(job, JobLimits.of_job(job), lease.lease_id)
        if lease.token:
            handle.keep_token(lease.token)
        key = names.label_value(lease.lease_id)
        self._handles[key] = handle
        try:
            made = await self._created(job)
            await self._with_secret(secret_of(lease, made, files))
        except ValueError:  # The Job of that name is another one's.
            del self._handles[key]
            raise
        except (Refused, ClusterAway) as error:
            del self._handles[key]
            self._spawn(self._remove(handle.seen.name))
            if isinstance(error, Refused):
                raise _unstarted(error) from error
            raise
        self._look(handle)
        return handle

    async def adopt(self) -> list[JobHandle]:
        """Takes over the Jobs of this worker whose ends are not acknowledged.

        Raises:
            ClusterError: The worker may not list them.
            OSError: The server is away.
        """
        labels = names.selector(self._labels, without=names.ACKNOWLEDGED)
        listing = lambda: self.cluster.list("jobs", labels)  # noqa: E731 - is made again
        found = await self._calls.again(listing, _ADOPT_SECONDS)
        handles = [await self._adopted(job) for job in found.items]
        return [handle for handle in handles if handle is not None]

    def request_stop(self, handle: JobHandle, delay_seconds: float, reason: str) -> None:
        """Deletes a Job after a delay; the earliest of several requests counts."""
        loop = asyncio.get_running_loop()
        at = loop.time() + delay_seconds
        if handle.future.done() or (handle.stop_at is not None and handle.stop_at <= at):
            return
        handle.stop_at = at
        if delay_seconds > 0:
            loop.call_later(delay_seconds, self._stop, handle, reason)
        else:
            self._stop(handle, reason)

    def renew_token(self, handle: JobHandle, token: str) -> None:
        """Replaces the token in a Job's Secret."""
        data = {"data": {TOKEN: base64.b64encode(token.encode()).decode()}}
        patching = lambda: self.cluster.patch("secrets", handle.seen.name, data)  # noqa: E731
        self._spawn(self._settled(patching))

    def acknowledge(self, handle: JobHandle) -> None:
        """Marks a Job as known, or deletes it where it isn't to be kept."""
        self._handles.pop(names.label_value(handle.lease_id), None)
        name = handle.seen.name
        if handle.limits.keep_seconds <= 0:
            self._spawn(self._remove(name))
            return
        change = {"metadata": {"labels": {names.ACKNOWLEDGED: "true"}}}
        self._spawn(self._settled(lambda: self.cluster.patch("jobs", name, change)))

    # Creation and adoption.

    async def _created(self, job: Object) -> Object:
        """Creates a Job; one that is there already has to be of the same lease."""
        name = job["metadata"]["name"]
        try:
            made = await self._calls.again(lambda: self.cluster.create("jobs", job), _START_SECONDS)
        except Refused as error:
            if error.code != CONFLICT:
                raise
        else:
            lost = lost_fields(job["spec"], made.get("spec") or {})
            if lost:
                self._tell(f"this cluster doesn't know {', '.join(lost)} of Jobs: it dropped them")
            return made
        made = await self._calls.again(lambda: self.cluster.get("jobs", name), _START_SECONDS)
        lease = names.labels_of(made).get(names.LEASE)
        if lease != names.labels_of(job)[names.LEASE]:
            raise ValueError(f"there is another Job named {name}, of lease {lease}: delete it")
        return made

    async def _with_secret(self, secret: Object) -> None:
        """Creates the Secret of a Job, or replaces what an earlier try has created."""
        try:
            await self._calls.again(lambda: self.cluster.create("secrets", secret), _START_SECONDS)
        except Refused as error:
            if error.code != CONFLICT:
                raise
            name = secret["metadata"]["name"]
            await self._calls.again(
                lambda: self.cluster.patch("secrets", name, secret), _START_SECONDS
            )

    async def _adopted(self, job: Object) -> JobHandle | None:
        """The handle of a Job of an earlier worker; None for one that it didn't finish to make."""
        labels = names.labels_of(job)
        name = job["metadata"]["name"]
        if not await self._has_secret(name):
            await self._remove(name)
            return None
        handle = self._handle(job, JobLimits.of_job(job), labels[names.LEASE])
        handle.seen.job = job
        self._handles[labels[names.LEASE]] = handle
        await self._read_pods(handle)
        self._look(handle)
        return handle

    async def _has_secret(self, name: str) -> bool:
        # A change of nothing: the worker may not read Secrets.
        change: Object = {"metadata": {"labels": dict(self._labels)}}
        try:
            await self._calls.again(
                lambda: self.cluster.patch("secrets", name, change), _ADOPT_SECONDS
            )
        except Refused as error:
            if error.code != NOT_FOUND:
                raise
            return False
        return True

    def _handle(self, job: Object, limits: JobLimits, lease_id: str) -> JobHandle:
        labels = names.labels_of(job)
        metadata = job["metadata"]
        return JobHandle(
            _Owner(asyncio.get_running_loop(), self),
            Seen(name=metadata["name"], namespace=metadata["namespace"], lease_id=lease_id),
            limits,
            PodLog(self.cluster, self._pace),
            run_id=labels[names.RUN],
            attempt=int(labels[names.ATTEMPT]),
            folder=self._folder / lease_id,
            now=asyncio.get_running_loop().time(),
        )

    # What the server shows.

    def _view(
        self, resource: Any, on_change: Callable[[Object, bool], object], *, without: str = ""
    ) -> View:
        return View(
            self.cluster,
            resource,
            names.selector(self._labels, without=without),
            on_change=on_change,
            on_error=self._calls.note,
            pace=self._pace,
        )

    def _job_changed(self, job: Object, is_gone: bool) -> None:
        name = job["metadata"]["name"]
        handle = self._handles.get(names.labels_of(job).get(names.LEASE, ""))
        if handle is None:
            if is_gone:
                self._orphans.pop(name, None)
            else:
                self._orphans.setdefault(name, asyncio.get_running_loop().time())
            return
        self._orphans.pop(name, None)
        handle.seen.job, handle.seen.job_gone = job, is_gone
        self._look(handle)

    def _pod_changed(self, pod: Object, is_gone: bool) -> None:
        handle = self._handles.get(names.labels_of(pod).get(names.LEASE, ""))
        if handle is not None:
            _see_pod(handle, pod, is_gone=is_gone)
            self._look(handle)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._tick_seconds)
            for handle in list(self._handles.values()):
                limit = handle.limits.contact_seconds
                if limit is not None and shim.since_boot() - handle.contact > limit:
                    self.request_stop(handle, 0.0, "LOST_CONTACT")
                self._look(handle)
            old = loop.time() - ORPHAN_SECONDS
            for name in [name for name, since in self._orphans.items() if since <= old]:
                del self._orphans[name]
                self._tell(f"job {name} belongs to no lease of this worker: it is deleted")
                self._spawn(self._remove(name))

    def _look(self, handle: JobHandle) -> None:
        """Does what the state of a Job asks for."""
        if handle.future.done() or handle.is_concluding:
            return
        now = asyncio.get_running_loop().time()
        if pull_fails(handle.seen):
            handle.pulled_since = handle.pulled_since or now
        pulled = 0.0 if handle.pulled_since is None else now - handle.pulled_since
        standing = judge(handle.seen, handle.limits, now - handle.awaited_since, pulled)
        if standing.waits and standing.waits != handle.waits:
            self._tell(f"{handle.place} waits: {standing.waits}")
        handle.waits = standing.waits
        pod = handle.seen.pod
        if standing.started and handle.following is None and pod is not None:
            following = handle.log.follow(str(pod["metadata"]["name"]))
            handle.following = self._spawn(following)
        if standing.gives_up is not None and handle.given_up is None:
            handle.given_up = standing.gives_up
            self._stop(handle, "")
        if standing.ended is not None:
            handle.is_concluding = True
            self._spawn(self._conclude(handle))

    async def _conclude(self, handle: JobHandle) -> None:
        """Ends a run, after a look at what the server has now: a watch may lag behind another."""
        with suppress(Refused, ClusterAway):
            await self._calls.again(lambda: self._read_job(handle), _LOG_SECONDS)
            if handle.seen.pod is None:
                await self._read_pods(handle)
        standing = judge(handle.seen, handle.limits, 0.0, 0.0)
        if standing.ended is None:
            handle.is_concluding = False
            return
        handle.log.note_end()
        if handle.following is not None:
            await asyncio.wait({handle.following}, timeout=_LOG_SECONDS)
            handle.following.cancel()
        handle.future.set_result(self._told(handle, standing.ended))

    def _told(self, handle: JobHandle, end: RunEnd) -> RunEnd:
        """How a run ended, with what its worker had to do with it."""
        if handle.given_up is not None:
            return given_up(handle.seen, handle.given_up, end)
        if handle.stop_reason and end.reason in _UNSAID:
            return replace(end, reason=handle.stop_reason, message="")
        return end

    async def _read_job(self, handle: JobHandle) -> None:
        try:
            handle.seen.job = await self.cluster.get("jobs", handle.seen.name)
        except Refused as error:
            if error.code != NOT_FOUND:
                raise
            handle.seen.job_gone = True

    async def _read_pods(self, handle: JobHandle) -> None:
        labels = f"{names.LEASE}={names.label_value(handle.lease_id)}"
        listing = lambda: self.cluster.list("pods", labels)  # noqa: E731 - is made again
        for pod in (await self._calls.again(listing, _ADOPT_SECONDS)).items:
            _see_pod(handle, pod, is_gone=False)

    # The end of Jobs.

    def _stop(self, handle: JobHandle, reason: str) -> None:
        if handle.seen.deletes or handle.future.done():
            return
        handle.seen.deletes = True
        handle.stop_reason = reason
        self._spawn(self._deleted(handle))

    async def _deleted(self, handle: JobHandle) -> None:
        try:
            await self._calls.again(lambda: self.cluster.delete("jobs", handle.seen.name))
        except Refused as error:
            if error.code != NOT_FOUND:
                self._tell(f"{handle.place} can't be deleted: {error}")
                handle.seen.deletes, handle.stop_at = False, None
                return
            handle.seen.job_gone = True
        self._look(handle)

    async def _remove(self, name: str) -> None:
        """Deletes a Job that nobody waits for."""
        await self._settled(lambda: self.cluster.delete("jobs", name))

    async def _settled(self, call: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Makes a call whose object may be gone."""
        with suppress(Refused):
            await self._calls.again(call)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class _Owner:
    """Hands on what handles ask for to the loop, from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, jobs: Jobs) -> None:
        self._loop = loop
        self._jobs = jobs

    def request_stop(self, handle: JobHandle, delay_seconds: float) -> None:
        """Has the Job deleted after a delay."""
        self._do(lambda: self._jobs.request_stop(handle, delay_seconds, "STOP_REQUESTED"))

    def renew_token(self, handle: JobHandle, token: str) -> None:
        """Has the token in the Job's Secret replaced."""
        self._do(lambda: self._jobs.renew_token(handle, token))

    def acknowledge(self, handle: JobHandle) -> None:
        """Has the Job marked as known."""
        self._do(lambda: self._jobs.acknowledge(handle))

    def _do(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # The kind is closed: the next worker does it.
            self._loop.call_soon_threadsafe(call)


def _see_pod(handle: JobHandle, pod: Object, *, is_gone: bool) -> None:
    uid = str(pod["metadata"]["uid"])
    seen = handle.seen
    seen.pods[uid] = pod
    if is_gone:
        seen.pods_gone.add(uid)


def _unstarted(error: Refused) -> Exception:
    """The error of a Job that the server refuses: the job's, or this worker's."""
    if error.code in {FORBIDDEN, NOT_FOUND} or error.may_pass:
        return ClusterAway(f"the Kubernetes API server refuses: {error}")
    return ValueError(f"the Kubernetes API server refuses its Job: {error}")
