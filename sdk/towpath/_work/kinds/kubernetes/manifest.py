"""The Job of a run, from its lease and the values of the template; and the Secret beside it.

The built-in Job fits the Pod Security Standard "restricted". The template's part `job` is laid over
it, then its patches are applied. What the worker depends on is checked after that.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from towpath._work import shim
from towpath._work.folders import STOP_SECONDS, Job, ProcessJob
from towpath._work.job_template import IMAGE_PULL_SECONDS, KEEP_SECONDS, POD_START_SECONDS
from towpath._work.kinds.kubernetes.names import CONTAINER, LIMITS, job_name, run_labels
from towpath._work.kinds.kubernetes.patching import PatchError, overlaid, patched
from towpath._work.kinds.kubernetes.values import (
    at,
    is_list,
    is_object,
    object_at,
    objects_at,
)
from towpath._work.pod import FILES_VARIABLE, NOTE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath._work.kinds.kubernetes.cluster import Object
    from towpath._work.leases import Lease

FILES: Final = "/etc/towpath/run"
"""Where the Secret of the run is mounted."""
HOME: Final = "/var/lib/towpath"
"""The Towpath home of a pod."""
TOKEN: Final = "token"  # noqa: S105 - a file's name
CERTIFICATES: Final = "ca.crt"
PROGRAM: Final = ("-P", "-m", "towpath._work.pod")
FLUSH_SECONDS: Final = 300
"""How long a run waits at its end for the server: what it leaves unsent goes with its pod."""
_NOTE: Final = "/dev/termination-log"
_USER: Final = 10001
_STOP_MARGIN_SECONDS: Final = 20
_DEADLINE_MARGIN_SECONDS: Final = 60
_VOLUMES: Final = {"towpath-run": FILES, "towpath-home": HOME, "towpath-tmp": "/tmp"}  # noqa: S108 - of the container


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """Times of a Job that its worker keeps.

    Attributes:
        pod_start_seconds: Longest wait for the start of the pod.
        image_pull_seconds: Longest wait for an image that can't be pulled.
        contact_seconds: Longest time without contact to the service; None for no limit.
        keep_seconds: How long the Job stays after its end.
        has_token: Whether the run has a token, which is to be renewed.
    """

    pod_start_seconds: float = POD_START_SECONDS
    image_pull_seconds: float = IMAGE_PULL_SECONDS
    contact_seconds: float | None = None
    keep_seconds: float = KEEP_SECONDS
    has_token: bool = False

    @classmethod
    def of_lease(cls, lease: Lease) -> JobLimits:
        """The times that a lease's template gives."""
        template = lease.template
        return cls(
            pod_start_seconds=template.get("pod_start_seconds", POD_START_SECONDS),
            image_pull_seconds=template.get("image_pull_seconds", IMAGE_PULL_SECONDS),
            contact_seconds=lease.lease_seconds if lease.on_lost_contact == "stop" else None,
            keep_seconds=template.get("keep_seconds", KEEP_SECONDS),
            has_token=bool(lease.token),
        )

    @classmethod
    def of_job(cls, job: Object) -> JobLimits:
        """The times that a Job's annotation has; the default ones without."""
        try:
            kept = json.loads(job["metadata"]["annotations"][LIMITS])
            return cls(**{name: kept[name] for name in cls.__dataclass_fields__ if name in kept})
        except (KeyError, TypeError, ValueError):
            return cls()


def job_of(
    lease: Lease, *, namespace: str, labels: Mapping[str, str], environment: Mapping[str, str]
) -> Object:
    """Returns the Job of a lease.

    Args:
        lease: The lease.
        namespace: Namespace of the Job.
        labels: Labels of all objects of the worker.
        environment: Variables of the run's process.

    Raises:
        ValueError: The template has no image, or its patches don't fit.
    """
    template = lease.template
    if not template.get("image"):
        raise ValueError(
            "its job template has no image: `towpath pool update POOL --job-template"
            ' \'{"image": "..."}\'`, or give the deployment the job variable image'
        )
    built_in = _built_in(lease, namespace, labels, environment)
    made = patched(overlaid(built_in, template.get("job") or {}), template.get("patches") or ())
    _check(made, built_in)
    checked: Object = made
    return checked


def secret_of(lease: Lease, job: Object, files: Mapping[str, str]) -> Object:
    """Returns the Secret of a run, which goes with its Job.

    Args:
        lease: The lease, with the run's token.
        job: The Job as the server keeps it.
        files: The files of the run besides its token.
    """
    metadata = job["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": metadata["labels"],
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "stringData": {**files, TOKEN: lease.token},
    }


def files_of(
    lease: Lease, worker: str, environment: Mapping[str, str], certificates: str
) -> dict[str, str]:
    """Returns the files of a run's Secret besides its token.

    Args:
        lease: The lease.
        worker: Name of the worker.
        environment: Variables whose values name secrets, which the run resolves itself.
        certificates: Certificates of authorities, as PEM; empty for the image's own.
    """
    job = Job(
        lease_id=lease.lease_id,
        run_id=lease.run_id,
        attempt=lease.attempt,
        fence=lease.fence,
        worker=worker,
        entrypoint=lease.entrypoint,
        parent_run_id=lease.parent_run_id,
        root_run_id=lease.root_run_id,
        code=lease.code,
        parameters=lease.parameters,
        environment=environment,
        process=ProcessJob(
            command=(),
            directory=lease.template.get("working_directory") or "",
            timeout_seconds=lease.timeout_seconds,
            grace_seconds=lease.grace_seconds,
            stop_seconds=_stop_seconds(lease),
        ),
    )
    files = {shim.JOB: json.dumps(asdict(job))}
    return files | ({CERTIFICATES: certificates} if certificates else {})


def lost_fields(sent: Any, kept: Any, path: str = "") -> list[str]:
    """Returns the paths of fields that a server has dropped since it doesn't know them."""
    if is_object(sent) and is_object(kept):
        return [
            lost
            for key, value in sent.items()
            for lost in (
                lost_fields(value, kept[key], f"{path}/{key}")
                if key in kept
                else [f"{path}/{key}"] * bool(value)
            )
        ]
    if is_list(sent) and is_list(kept) and len(sent) == len(kept):
        return [
            lost
            for index, one in enumerate(sent)
            for lost in lost_fields(one, kept[index], f"{path}/{index}")
        ]
    return []


def _stop_seconds(lease: Lease) -> float:
    return float(lease.template.get("stop_seconds", STOP_SECONDS))


def _built_in(
    lease: Lease, namespace: str, labels: Mapping[str, str], environment: Mapping[str, str]
) -> Object:
    template = lease.template
    limits = JobLimits.of_lease(lease)
    all_labels = {**_texts(template, "labels"), **labels, **run_labels(lease)}
    annotations = _texts(template, "annotations")
    spec: Object = {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "ttlSecondsAfterFinished": int(limits.keep_seconds),
        "template": {
            "metadata": {"labels": all_labels, "annotations": annotations},
            "spec": _pod_of(lease, environment),
        },
    }
    if lease.timeout_seconds is not None:
        # The shim's deadline comes first. This one is for a pod whose node is silent.
        spec["activeDeadlineSeconds"] = int(
            limits.pod_start_seconds
            + lease.timeout_seconds
            + lease.grace_seconds
            + _stop_seconds(lease)
            + _DEADLINE_MARGIN_SECONDS
        )
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(lease),
            "namespace": namespace,
            "labels": all_labels,
            "annotations": {**annotations, LIMITS: json.dumps(asdict(limits))},
        },
        "spec": spec,
    }


def _pod_of(lease: Lease, environment: Mapping[str, str]) -> Object:
    template = lease.template
    secret: Object = {"secretName": job_name(lease), "defaultMode": 0o440}
    pod: Object = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": int(_stop_seconds(lease)) + _STOP_MARGIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container_of(lease, environment)],
        "volumes": [
            {"name": name, **({"secret": secret} if path == FILES else {"emptyDir": {}})}
            for name, path in _VOLUMES.items()
        ],
    }
    given = {
        "serviceAccountName": template.get("service_account"),
        "nodeSelector": template.get("node_selector"),
        "tolerations": template.get("tolerations"),
        "affinity": template.get("affinity"),
        "priorityClassName": template.get("priority_class"),
        "imagePullSecrets": [{"name": each} for each in template.get("image_pull_secrets") or ()],
    }
    return pod | {name: value for name, value in given.items() if value}


def _container_of(lease: Lease, environment: Mapping[str, str]) -> Object:
    template = lease.template
    own = {FILES_VARIABLE: FILES, NOTE_VARIABLE: _NOTE}
    container: Object = {
        "name": CONTAINER,
        "image": template["image"],
        "command": [template.get("python") or "python", *PROGRAM],
        "env": [{"name": name, "value": value} for name, value in {**environment, **own}.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": _NOTE,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": name, "mountPath": path, **({"readOnly": True} if path == FILES else {})}
            for name, path in _VOLUMES.items()
        ],
    }
    resources = {
        name: _texts(template, name) for name in ("requests", "limits") if template.get(name)
    }
    given = {
        "resources": resources,
        "imagePullPolicy": template.get("image_pull_policy"),
        "workingDir": template.get("working_directory"),
    }
    return container | {name: value for name, value in given.items() if value}


def _texts(template: Mapping[str, Any], name: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in object_at(template, name).items()}


def _check(made: Any, built_in: Object) -> None:
    """Checks a Job after its patches: what the worker finds it by, and how it runs, is unchanged.

    Raises:
        PatchError: Something was changed that mustn't be.
    """
    fixed = (
        *("apiVersion", "kind", "metadata/name", "metadata/namespace"),
        *("spec/backoffLimit", "spec/completions", "spec/parallelism"),
        "spec/template/spec/restartPolicy",
    )
    for path in fixed:
        expected = at(built_in, *path.split("/"))
        if at(made, *path.split("/")) != expected:
            raise PatchError(f"/{path} must stay {expected!r}")
    for path in ("metadata/labels", "spec/template/metadata/labels"):
        labels = object_at(made, *path.split("/"))
        for name, value in object_at(built_in, *path.split("/")).items():
            if (
                name.startswith(("towpath.dev/", "app.kubernetes.io/"))
                and labels.get(name) != value
            ):
                raise PatchError(f"the label {name} at /{path} must stay {value!r}")
    _check_container(made, built_in)


def _check_container(made: Any, built_in: Object) -> None:
    found = [item for item in _containers(made) if item.get("name") == CONTAINER]
    if len(found) != 1:
        raise PatchError(f"there must be one container named {CONTAINER!r}")
    own, container = _containers(built_in)[0], found[0]
    if tuple(container.get("command") or ())[-len(PROGRAM) :] != PROGRAM or container.get("args"):
        raise PatchError(f"the command of the container {CONTAINER!r} must end as {PROGRAM}")
    if not container.get("image"):
        raise PatchError(f"the container {CONTAINER!r} needs an image")
    for key, by in (("env", "name"), ("volumeMounts", "mountPath")):
        kept = container.get(key) or ()
        for item in own[key]:
            is_own = key != "env" or item["name"].startswith("TOWPATH_")
            if is_own and item not in kept:
                raise PatchError(f"{item[by]} of the container {CONTAINER!r} must stay as it is")


def _containers(job: Any) -> list[Object]:
    return objects_at(job, "spec", "template", "spec", "containers")
