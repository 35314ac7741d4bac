"""What controllers, scheduler and kubelet do to the Jobs of a fake API server, by script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.cluster.server import is_started, state_of

if TYPE_CHECKING:
    from tests.cluster.store import Object, Store

NODE = "node-1"


@dataclass
class Kubelet:
    """Moves pods through the states that a real kubelet reports."""

    store: Store
    makes_pods: bool = True
    """Whether each new Job gets a pod at once."""
    ends: dict[str, Any] = field(default_factory=lambda: {"exit_code": 143, "reason": "Error"})
    """How a container ends that gets SIGTERM; empty for one that stays."""

    def __post_init__(self) -> None:
        self.store.on_create = self._created
        self.store.on_going = self.going

    def _created(self, resource: str, item: Object) -> None:
        if resource == "jobs" and self.makes_pods:
            self.make_pod(item)

    def make_pod(self, job: Object, **status: Any) -> str:
        """Makes the pod of a Job, as the Job controller does; returns its name."""
        template = job["spec"]["template"]
        name = f"{job['metadata']['name']}-x"
        labels = {**template["metadata"]["labels"], "job-name": job["metadata"]["name"]}
        pod = {
            "metadata": {"name": name, "labels": labels},
            "spec": {**template["spec"], "nodeName": NODE},
            "status": {"phase": "Pending", **status},
        }
        self.store.add("pods", pod)
        return name

    def pod(self, job: str) -> Object:
        """The pod of a Job."""
        return next(self.store.pods_of(job))

    def set(self, job: str, state: Object, **status: Any) -> None:
        """Sets the state of a Job's container, and more of the pod's status."""

        def change(pod: Object) -> None:
            statuses = [{"name": "run", "state": state}] if state else []
            pod["status"] = {**pod["status"], "containerStatuses": statuses, **status}

        self.store.change("pods", self.pod(job)["metadata"]["name"], change)

    def run(self, job: str) -> None:
        """Starts the container of a Job."""
        self.set(job, {"running": {"startedAt": "2026-12-02T08:00:00Z"}}, phase="Running")

    def wait(self, job: str, reason: str, message: str = "") -> None:
        """Has the container of a Job wait."""
        self.set(job, {"waiting": {"reason": reason, "message": message}})

    def end(
        self, job: str, exit_code: int = 0, reason: str = "", message: str = "", **status: Any
    ) -> None:
        """Ends the container of a Job; the Job completes, or fails."""
        phase = "Failed" if exit_code else "Succeeded"
        state = {
            "exitCode": exit_code,
            "reason": reason or ("Error" if exit_code else "Completed"),
            "message": message,
        }
        self.set(job, {"terminated": state}, phase=phase, **status)
        kind = "Failed" if exit_code else "Complete"
        self.condition(job, kind, "BackoffLimitExceeded" if exit_code else "CompletionsReached")

    def condition(self, job: str, kind: str, reason: str) -> None:
        """Sets a condition of a Job that is still there."""
        if ("jobs", job) not in self.store.objects:
            return
        condition = {"type": kind, "status": "True", "reason": reason}
        self.store.change("jobs", job, lambda item: item["status"].update(conditions=[condition]))

    def remove_pod(self, job: str) -> None:
        """Removes the pod of a Job, as garbage collection does."""
        self.store.remove("pods", self.pod(job)["metadata"]["name"])

    def going(self, job: Object) -> None:
        """Ends the pods of a Job that is to be deleted."""
        if not self.ends:
            return
        name = job["metadata"]["name"]
        for pod in list(self.store.pods_of(name)):
            if is_started(pod) and "terminated" not in state_of(pod):
                self.set(name, {"terminated": self._ended()})
            self.store.remove("pods", pod["metadata"]["name"])

    def _ended(self) -> Object:
        given = dict(self.ends)
        return {"exitCode": given.pop("exit_code"), **given}
