"""A fake Kubernetes API server: real HTTP on the loopback device, with faults by script."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.cluster.store import KINDS, NAMESPACE, Object, Store, merge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.requests import Request

ROLE = {
    "jobs": {"create", "get", "list", "watch", "patch", "delete"},
    "pods": {"get", "list", "watch"},
    "pods/log": {"get"},
    "secrets": {"create", "patch"},
}
"""What the worker needs; the chart's Role gives the same."""


@dataclass(slots=True)
class Fault:
    """What happens to the next calls of a verb on a resource."""

    verb: str
    resource: str
    code: int
    times: int = 1
    reason: str = ""
    message: str = "by script"
    retry_after: float | None = None
    after: bool = False
    """The call takes effect, and its answer is lost."""


@dataclass
class ApiServer:
    """The server; its store is what tests look at."""

    store: Store = field(default_factory=Store)
    role: dict[str, set[str]] = field(default_factory=lambda: {k: set(v) for k, v in ROLE.items()})
    faults: list[Fault] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    gone_as_status: bool = False
    """A version that is too old is answered by a status instead of an event."""
    drops: frozenset[str] = frozenset()
    """Fields of a Job's spec that this server is too old to know."""
    watch_seconds: float | None = None
    """Ends each watch after this time; None for the time that it asks for."""
    cuts: int = 0
    log_cuts: int = 0
    watches: int = 0
    """Watches that are open."""

    def __enter__(self) -> Self:
        app = Starlette(
            routes=[
                Route("/apis/batch/v1/namespaces/{ns}/{kind}", self._collection, methods=_ANY),
                Route("/api/v1/namespaces/{ns}/{kind}", self._collection, methods=_ANY),
                Route("/api/v1/namespaces/{ns}/pods/{name}/log", self._log),
                Route("/apis/batch/v1/namespaces/{ns}/{kind}/{name}", self._one, methods=_ANY),
                Route("/api/v1/namespaces/{ns}/{kind}/{name}", self._one, methods=_ANY),
            ]
        )
        config = uvicorn.Config(
            app, port=0, log_level="critical", lifespan="off", timeout_graceful_shutdown=0
        )
        self._server = uvicorn.Server(config)
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(30)
        self.store.on_change = self._wake
        return self

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._wake()
        self._thread.join(30)

    def reset(self) -> None:
        """Forgets all objects and faults."""
        fresh = ApiServer()
        fresh.store.on_change = self._wake
        self.store, self.role, self.faults, self.calls = (
            *(fresh.store, fresh.role),
            *(fresh.faults, fresh.calls),
        )
        self.gone_as_status, self.drops = fresh.gone_as_status, fresh.drops
        self.watch_seconds = fresh.watch_seconds

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(self, folder: Path) -> Path:
        """A file that leads to it."""
        file = folder / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": self.url, **_NO_TLS}}],
            "users": [{"name": "worker", "user": {"token": "worker-token"}}],
            "contexts": [
                {
                    "name": "fake",
                    "context": {"cluster": "fake", "user": "worker", "namespace": NAMESPACE},
                }
            ],
            "current-context": "fake",
        }
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        return file

    def fail(self, verb: str, resource: str, code: int, **more: Any) -> None:
        """Has the next calls of a verb fail."""
        self.faults.append(Fault(verb, resource, code, **more))

    def cut_watches(self) -> None:
        """Breaks all watches that are open, in the middle."""
        self.cuts += 1
        self._wake()

    def cut_logs(self) -> None:
        """Breaks all logs that are followed."""
        self.log_cuts += 1
        self._wake()

    def count(self, verb: str, resource: str) -> int:
        """Number of calls so far."""
        return self.calls.count((verb, resource))

    def _serve(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._changed = asyncio.Event()
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)
            self._port = self._server.servers[0].sockets[0].getsockname()[1]
            ready.set()
            await serving

        asyncio.run(main())

    def _wake(self) -> None:
        def wake() -> None:
            self._changed.set()
            self._changed = asyncio.Event()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(wake)

    def _refused(self, verb: str, resource: str) -> Response | None:
        """The answer to a call that isn't allowed, or that fails by script."""
        self.calls.append((verb, resource))
        if verb not in self.role.get(resource, ()):
            group = "batch" if resource == "jobs" else ""
            return status(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "system:serviceaccount:towpath:worker" cannot'
                f' {verb} resource "{resource}" in API group "{group}" in the namespace'
                f' "{NAMESPACE}"',
            )
        return self._fault(verb, resource, after=False)

    def _fault(self, verb: str, resource: str, *, after: bool) -> Response | None:
        for fault in self.faults:
            if (fault.verb, fault.resource, fault.after) == (verb, resource, after):
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                if not fault.code:
                    raise ConnectionResetError("by script")
                return status(fault.code, fault.reason, fault.message, fault.retry_after)
        return None

    async def _collection(self, request: Request) -> Response:
        kind = request.path_params["kind"]
        verb = "create" if request.method == "POST" else "list"
        if request.query_params.get("watch") == "true":
            verb = "watch"
        if (refused := self._refused(verb, kind)) is not None:
            return refused
        if verb == "create":
            return self._create(kind, await request.json())
        selector = request.query_params.get("labelSelector", "")
        if verb == "watch":
            version = int(request.query_params["resourceVersion"])
            if version < self.store.compacted and self.gone_as_status:
                return status(410, "Expired", "too old resource version")
            seconds = float(request.query_params["timeoutSeconds"])
            seconds = seconds if self.watch_seconds is None else self.watch_seconds
            lines = self._watch(kind, selector, version, seconds)
            return StreamingResponse(lines, media_type="application/json")
        return self._list(kind, selector, request)

    def _list(self, kind: str, selector: str, request: Request) -> Response:
        api, name = KINDS[kind]
        with self.store.lock:
            items, version = self.store.of(kind, selector), self.store.version
        start = int(request.query_params.get("continue") or 0)
        end = start + int(request.query_params.get("limit") or len(items) or 1)
        metadata: Object = {"resourceVersion": str(version)}
        if end < len(items):
            metadata["continue"] = str(end)
        body = {"kind": f"{name}List", "apiVersion": api, "metadata": metadata}
        return JSONResponse({**body, "items": items[start:end]})

    def _create(self, kind: str, item: Object) -> Response:
        with self.store.lock:
            name = item["metadata"]["name"]
            if (kind, name) in self.store.objects:
                return status(409, "AlreadyExists", f'{kind} "{name}" already exists')
            if kind == "jobs":
                for dropped in self.drops:
                    item["spec"].pop(dropped, None)
                if item["spec"]["template"]["spec"]["restartPolicy"] == "Always":
                    return status(422, "Invalid", "spec.template.spec.restartPolicy: Unsupported")
            _encode(item)
            made = self.store.add(kind, item)
        if (lost := self._fault("create", kind, after=True)) is not None:
            return lost
        return JSONResponse(made, 201)

    async def _watch(
        self, kind: str, selector: str, version: int, seconds: float
    ) -> AsyncIterator[str]:
        cuts, until = self.cuts, self._loop.time() + seconds
        if version < self.store.compacted:
            yield _line("ERROR", _status_object(410, "Expired", "too old resource version"))
            return
        self.watches += 1
        try:
            while self._loop.time() < until and not self._server.should_exit:
                changed = self._changed
                events, version = self.store.since(kind, selector, version)
                for event in events:
                    yield _line(event.kind, event.item)
                if self.cuts != cuts:
                    raise ConnectionResetError("by script")
                try:
                    async with asyncio.timeout(max(0.001, until - self._loop.time())):
                        await changed.wait()
                except TimeoutError:
                    return
        finally:
            self.watches -= 1

    async def _one(self, request: Request) -> Response:
        kind, name = request.path_params["kind"], request.path_params["name"]
        verb = request.method.lower()
        if (refused := self._refused(verb, kind)) is not None:
            return refused
        with self.store.lock:
            item = self.store.objects.get((kind, name))
            if item is None:
                return status(404, "NotFound", f'{kind} "{name}" not found')
            if verb == "delete":
                options = await request.json()
                assert options["propagationPolicy"] == "Foreground"
                assert kind == "jobs"
                item = self.store.delete_job(name)
            elif verb == "patch":
                change = await request.json()
                _encode(change)
                item = self.store.change(kind, name, lambda found: merge(found, change))
        if (lost := self._fault(verb, kind, after=True)) is not None:
            return lost
        return JSONResponse(item)

    async def _log(self, request: Request) -> Response:
        name = request.path_params["name"]
        if (refused := self._refused("get", "pods/log")) is not None:
            return refused
        pod = self.store.objects.get(("pods", name))
        if pod is None:
            return status(404, "NotFound", f'pods "{name}" not found')
        if not is_started(pod):
            text = f'container "run" in pod "{name}" is waiting to start: ContainerCreating'
            return status(400, "BadRequest", text)
        follow = request.query_params.get("follow") == "true"
        since = request.query_params.get("sinceTime", "")
        return StreamingResponse(self._lines(name, since, follow=follow), media_type="text/plain")

    async def _lines(self, name: str, since: str, *, follow: bool) -> AsyncIterator[str]:
        cuts, sent = self.log_cuts, 0
        while not self._server.should_exit:
            changed = self._changed
            pod = self.store.objects.get(("pods", name))
            for stamp, text in self.store.logs.get(name, [])[sent:]:
                sent += 1
                if stamp[:19] >= since.removesuffix("Z")[:19]:
                    yield f"{stamp} {text}\n"
            if self.log_cuts != cuts:
                raise ConnectionResetError("by script")
            if not follow or pod is None or "terminated" in state_of(pod):
                return
            await changed.wait()


_NO_TLS = {"insecure-skip-tls-verify": True}
"""Else authorities would be loaded for each client."""
_ANY = ["GET", "POST", "PATCH", "DELETE"]


def state_of(pod: Object) -> Object:
    """The state of a pod's container."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    state: Object = statuses[0].get("state") or {}
    return state


def is_started(pod: Object) -> bool:
    """Whether a pod's container has begun."""
    return bool({"running", "terminated"} & state_of(pod).keys())


def _encode(item: Object) -> None:
    """Turns the texts of a Secret into its data."""
    texts = item.pop("stringData", {})
    if texts:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
        item["data"] = {**item.get("data", {}), **encoded}


def _line(kind: str, item: Object) -> str:
    return json.dumps({"type": kind, "object": item}) + "\n"


def _status_object(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def status(code: int, reason: str, message: str, retry_after: float | None = None) -> Response:
    """An error as the API has it."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(_status_object(code, reason, message), code, headers=headers)
