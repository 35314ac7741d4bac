"""The objects of a fake Kubernetes API server, with versions and events as a real one has them."""

from __future__ import annotations

import copy
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Object = dict[str, Any]
NAMESPACE = "runs"
KINDS = {"jobs": ("batch/v1", "Job"), "pods": ("v1", "Pod"), "secrets": ("v1", "Secret")}


@dataclass(slots=True)
class Event:
    """A change of an object."""

    version: int
    resource: str
    kind: str
    item: Object


@dataclass
class Store:
    """Objects by resource and name; all methods may be called from any thread."""

    version: int = 100
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    compacted: int = 0
    logs: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    on_change: Callable[[], object] = lambda: None
    on_create: Callable[[str, Object], object] = lambda resource, item: None
    on_going: Callable[[Object], object] = lambda job: None
    """Called with a Job that is to be deleted once its pods are gone."""

    def add(self, resource: str, item: Object) -> Object:
        """Creates an object; the caller has seen that there is none of its name."""
        with self.lock:
            made = copy.deepcopy(item)
            api, kind = KINDS[resource]
            made |= {"apiVersion": api, "kind": kind}
            made["metadata"] |= {
                "namespace": NAMESPACE,
                "uid": str(uuid.uuid4()),
                "creationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            made.setdefault("status", {})
            self._write(resource, made, "ADDED")
        self.on_create(resource, made)
        return made

    def change(self, resource: str, name: str, change: Callable[[Object], object]) -> Object:
        """Changes an object in place."""
        with self.lock:
            item = copy.deepcopy(self.objects[resource, name])
            change(item)
            self._write(resource, item, "MODIFIED")
            return item

    def remove(self, resource: str, name: str) -> None:
        """Removes an object, and the Secrets of a Job with it."""
        with self.lock:
            item = copy.deepcopy(self.objects.pop((resource, name)))
            self._write(resource, item, "DELETED")
            if resource == "jobs":
                for other in self.of("secrets"):
                    owners = other["metadata"].get("ownerReferences") or [{}]
                    if owners[0].get("uid") == item["metadata"]["uid"]:
                        self.remove("secrets", other["metadata"]["name"])
            if resource == "pods":
                self.collect(item["metadata"]["labels"].get("job-name", ""))

    def collect(self, job_name: str) -> None:
        """Removes a Job that is going, once none of its pods is left."""
        with self.lock:
            job = self.objects.get(("jobs", job_name))
            if job is None or not job["metadata"].get("deletionTimestamp"):
                return
            if not any(self.pods_of(job_name)):
                self.remove("jobs", job_name)

    def delete_job(self, name: str) -> Object:
        """Deletes a Job in the foreground."""
        with self.lock:
            job = self.change(
                "jobs",
                name,
                lambda item: item["metadata"].setdefault(
                    "deletionTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                ),
            )
        self.on_going(job)
        self.collect(name)
        return job

    def of(self, resource: str, selector: str = "") -> list[Object]:
        """The objects of a resource that a label selector finds."""
        with self.lock:
            return [
                item
                for (kind, _), item in self.objects.items()
                if kind == resource and matches(item, selector)
            ]

    def pods_of(self, job_name: str) -> Iterator[Object]:
        """The pods of a Job."""
        return (
            pod for pod in self.of("pods") if pod["metadata"]["labels"].get("job-name") == job_name
        )

    def since(self, resource: str, selector: str, version: int) -> tuple[list[Event], int]:
        """The events after a version, and the version they lead to.

        An object that the selector doesn't find any more is DELETED for its watcher.
        """
        with self.lock:
            found: list[Event] = []
            for event in self.events:
                if event.version <= version or event.resource != resource:
                    continue
                if matches(event.item, selector):
                    found.append(event)
                elif event.kind == "MODIFIED" and matches(event.item, _positive(selector)):
                    found.append(Event(event.version, resource, "DELETED", event.item))
            return found, self.version

    def compact(self) -> None:
        """Has each new watch from a version before this one be too old."""
        with self.lock:
            self.version += 10
            self.compacted = self.version
        self.on_change()

    def write_log(self, pod: str, text: str, stamp: str = "") -> None:
        """Adds a line to a container's log."""
        with self.lock:
            lines = self.logs.setdefault(pod, [])
            lines.append((stamp or f"2026-12-02T08:00:00.{len(lines):09d}Z", text))
        self.on_change()

    def _write(self, resource: str, item: Object, kind: str) -> None:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        if kind != "DELETED":
            self.objects[resource, item["metadata"]["name"]] = item
        self.events.append(Event(self.version, resource, kind, copy.deepcopy(item)))
        self.on_change()


def matches(item: Object, selector: str) -> bool:
    """Whether a label selector finds an object."""
    labels = item["metadata"].get("labels") or {}
    for part in filter(None, selector.split(",")):
        name, equals, value = part.partition("=")
        if equals and labels.get(name) != value:
            return False
        if not equals and name.removeprefix("!") in labels:
            return False
    return True


def _positive(selector: str) -> str:
    return ",".join(part for part in selector.split(",") if not part.startswith("!"))


def merge(target: Object, change: Object) -> None:
    """Applies a JSON merge patch."""
    for name, value in change.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = value
