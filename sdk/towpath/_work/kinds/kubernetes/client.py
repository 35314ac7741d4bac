"""The calls of `Cluster`, over the connection that lightkube makes; no other module knows it.

The library reads kubeconfigs and service accounts, renews their tokens and checks certificates.
The calls are made here: its watch begins anew without an end, and tells no deletion after a gap.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from towpath._work.kinds.kubernetes.cluster import ClusterError, Listed
from towpath._work.kinds.kubernetes.values import object_at
from towpath.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping
    from pathlib import Path

    from towpath._work.kinds.kubernetes.cluster import Object, Resource

_CALL_SECONDS: Final = 30.0
_SILENCE_SECONDS: Final = 15.0
"""Added to the timeout of a watch: a half-open connection says nothing at all."""
_PAGE: Final = 500
_GROUPS: Final[Mapping[Resource, str]] = {
    "jobs": "apis/batch/v1",
    "pods": "api/v1",
    "secrets": "api/v1",
}
_MERGE: Final = {"Content-Type": "application/merge-patch+json"}
_FAILED: Final = 400


class LightkubeCluster:
    """A namespace of the cluster that a kubeconfig, or the pod of this process, leads to."""

    def __init__(self, *, namespace: str = "", kubeconfig: Path | None = None) -> None:
        """Reads the configuration, and connects with the first call.

        Args:
            namespace: The namespace; empty for that of the configuration.
            kubeconfig: File with the configuration; None for the pod's service account, else the
                variable KUBECONFIG, else ~/.kube/config.

        Raises:
            ConfigurationError: The extra isn't installed, or there is no configuration.
        """
        lightkube, httpx, adapter = _modules()
        config = _config(lightkube, kubeconfig)
        self._namespace = namespace or str(config.namespace)
        self._faults: tuple[type[Exception], ...] = (httpx.HTTPError, httpx.StreamError)
        self._no_timeout: Any = httpx.Timeout(_CALL_SECONDS, read=None)
        # Each log that is followed takes a connection, and the default allows 100.
        transport = httpx.AsyncHTTPTransport(
            verify=adapter.verify_cluster(config.cluster, config.user, config.abs_file),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        )
        self._http: Any = httpx.AsyncClient(
            base_url=config.cluster.server,
            auth=adapter.user_auth(config.user),
            timeout=httpx.Timeout(_CALL_SECONDS),
            transport=transport,
            trust_env=False,
        )

    @property
    def namespace(self) -> str:
        """The namespace of all objects."""
        return self._namespace

    async def create(self, resource: Resource, item: Object) -> Object:
        """Creates an object, and returns it as the server keeps it."""
        return await self._call("POST", self._path(resource), json=item)

    async def get(self, resource: Resource, name: str) -> Object:
        """Returns an object."""
        return await self._call("GET", self._path(resource, name))

    async def list(self, resource: Resource, labels: str) -> Listed:
        """Returns the objects that a label selector finds."""
        items: list[Object] = []
        params: dict[str, Any] = {"labelSelector": labels, "limit": _PAGE}
        while True:
            answer = await self._call("GET", self._path(resource), params=params)
            items += answer.get("items") or []
            more = answer["metadata"].get("continue")
            if not more:
                return Listed(items=items, version=str(answer["metadata"]["resourceVersion"]))
            params["continue"] = more

    async def watch(
        self, resource: Resource, labels: str, version: str, timeout_seconds: int
    ) -> AsyncGenerator[tuple[str, Object]]:
        """Yields changes after a version, as type and object, until the server ends it."""
        params = {
            "watch": "true",
            "labelSelector": labels,
            "resourceVersion": version,
            "timeoutSeconds": timeout_seconds,
        }
        silence = timeout_seconds + _SILENCE_SECONDS
        async with self._stream(self._path(resource), params) as lines:
            while (line := await _next(lines, silence)) is not None:
                if not line:
                    continue
                change: Object = json.loads(line)
                if change["type"] == "ERROR":
                    raise _refusal(change["object"], 0, None)
                yield str(change["type"]), change["object"]

    async def patch(self, resource: Resource, name: str, change: Mapping[str, Any]) -> None:
        """Merges a change into an object."""
        body = json.dumps(change)
        await self._call("PATCH", self._path(resource, name), content=body, headers=_MERGE)

    async def delete(self, resource: Resource, name: str) -> None:
        """Deletes an object, in the foreground: it stays until what depends on it is gone."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
        await self._call("DELETE", self._path(resource, name), json=options)

    async def log(
        self, pod: str, container: str, *, since: str, follow: bool
    ) -> AsyncGenerator[str]:
        """Yields the lines of a container's log, each after the time at which it was written."""
        params = {"container": container, "timestamps": "true", "follow": str(follow).lower()}
        if since:
            params["sinceTime"] = since
        async with self._stream(f"{self._path('pods', pod)}/log", params) as lines:
            while (line := await _next(lines, None)) is not None:
                yield line

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _path(self, resource: Resource, name: str = "") -> str:
        path = f"/{_GROUPS[resource]}/namespaces/{self._namespace}/{resource}"
        return f"{path}/{name}" if name else path

    async def _call(self, method: str, path: str, **options: Any) -> Object:
        with self._errors():
            response = await self._http.request(method, path, **options)
            if response.status_code >= _FAILED:
                raise _refusal_of(response)
            answer: Object = response.json()
        return answer

    @asynccontextmanager
    async def _stream(self, path: str, params: Mapping[str, Any]) -> AsyncGenerator[Any]:
        """The lines of a long answer."""
        with self._errors():
            async with self._http.stream(
                "GET", path, params=params, timeout=self._no_timeout
            ) as response:
                if response.status_code >= _FAILED:
                    await response.aread()
                    raise _refusal_of(response)
                yield response.aiter_lines()

    @contextmanager
    def _errors(self) -> Generator[None]:
        """Turns the errors of the connection into those of `Cluster`."""
        try:
            yield
        except self._faults as error:
            raise ClusterError(0, str(error) or type(error).__name__) from error
        except TimeoutError as error:
            raise ClusterError(0, "the API server is silent") from error
        except ValueError as error:
            raise ClusterError(0, f"the API server's answer is cut off: {error}") from error


async def _next(lines: Any, seconds: float | None) -> str | None:
    """The next line; None at the end."""
    try:
        async with asyncio.timeout(seconds):
            return str(await anext(lines))
    except StopAsyncIteration:
        return None


def _modules() -> tuple[Any, Any, Any]:
    try:
        return (
            importlib.import_module("lightkube"),
            importlib.import_module("httpx2"),
            importlib.import_module("lightkube.config.client_adapter"),
        )
    except ImportError as error:
        raise ConfigurationError(
            "workers of the kind 'kubernetes' need an extra: pip install 'towpath[kubernetes]'"
        ) from error


def _config(lightkube: Any, kubeconfig: Path | None) -> Any:
    """The configuration of a cluster, with a user, without whom the library makes no connection."""
    try:
        if kubeconfig is None:
            return lightkube.KubeConfig.from_env().get()
        return lightkube.KubeConfig.from_file(kubeconfig).get()
    except Exception as error:
        raise ConfigurationError(
            f"there is no usable configuration of a cluster: {error}. Run the worker in a pod with"
            " a service account, or name a file with the variable KUBECONFIG"
        ) from error


def _refusal_of(response: Any) -> ClusterError:
    try:
        status = response.json()
    except ValueError:
        status = {"message": response.text[:500]}
    if not isinstance(status, dict):
        status = {}
    return _refusal(status, int(response.status_code), response.headers.get("Retry-After"))


def _refusal(status: Any, code: int, retry_after: str | None) -> ClusterError:
    """The error of a Status object."""
    seconds: Any = object_at(status, "details").get("retryAfterSeconds", retry_after)
    try:
        wait = None if seconds is None else float(seconds)
    except ValueError:
        wait = None
    return ClusterError(
        int(status.get("code") or code),
        str(status.get("message") or f"HTTP status {code}"),
        reason=str(status.get("reason") or ""),
        retry_after=wait,
    )
