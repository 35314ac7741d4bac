"""The job templates of the kinds: the service checks templates and overrides with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from towpath._work.folders import STOP_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT: Final = "env"
"""The key of a template that holds the variables of a run's process."""

PROCESS: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        ENVIRONMENT: {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": "Variables of the run's process.",
        },
        "python": {
            "type": "string",
            "description": "Python interpreter of the run, which has Towpath; else the worker's.",
        },
        "working_directory": {
            "type": "string",
            "description": "Folder to start in; else the worker's own.",
        },
        "stop_seconds": {
            "type": "number",
            "minimum": 0,
            "default": STOP_SECONDS,
            "description": "Seconds between SIGTERM and SIGKILL.",
        },
    },
}

_TEXTS: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number"]},
}
_OBJECTS: Final[Mapping[str, Any]] = {"type": "array", "items": {"type": "object"}}

POD_START_SECONDS: Final = 480.0
"""Longest wait for the start of a pod."""
IMAGE_PULL_SECONDS: Final = 120.0
"""Longest wait for an image that can't be pulled."""
KEEP_SECONDS: Final = 3600
"""How long a Job stays in the cluster after its end."""

KUBERNETES: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        ENVIRONMENT: {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
            "description": "Variables of the run's process.",
        },
        "image": {
            "type": "string",
            "description": "Image with Towpath, the flow's code and what it imports.",
        },
        "image_pull_policy": {
            "type": "string",
            "enum": ["Always", "IfNotPresent", "Never"],
            "description": "When the image is pulled; else the cluster's default.",
        },
        "image_pull_secrets": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Names of Secrets that open the registry.",
        },
        "python": {
            "type": "string",
            "default": "python",
            "description": "Python interpreter of the image that has Towpath.",
        },
        "working_directory": {
            "type": "string",
            "description": "Folder to start in; else the image's.",
        },
        "requests": {**_TEXTS, "description": "Resources that are set aside: cpu, memory, others."},
        "limits": {**_TEXTS, "description": "Most resources: cpu, memory, others."},
        "service_account": {
            "type": "string",
            "description": "Service account of the pod, whose token isn't mounted.",
        },
        "node_selector": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Labels of the nodes that may run it.",
        },
        "tolerations": {**_OBJECTS, "description": "Taints of nodes that it tolerates."},
        "affinity": {"type": "object", "description": "Affinity of the pod."},
        "priority_class": {"type": "string", "description": "Priority class of the pod."},
        "labels": {**_TEXTS, "description": "Labels of Job and pod."},
        "annotations": {**_TEXTS, "description": "Annotations of Job and pod."},
        "server_address": {
            "type": "string",
            "description": "Address of the server for pods; else the worker's.",
        },
        "stop_seconds": {
            "type": "number",
            "minimum": 0,
            "default": STOP_SECONDS,
            "description": "Seconds between SIGTERM and SIGKILL.",
        },
        "pod_start_seconds": {
            "type": "number",
            "minimum": 1,
            "default": POD_START_SECONDS,
            "description": "Longest wait for the start of the pod.",
        },
        "image_pull_seconds": {
            "type": "number",
            "minimum": 0,
            "default": IMAGE_PULL_SECONDS,
            "description": "Longest wait for an image that can't be pulled.",
        },
        "keep_seconds": {
            "type": "number",
            "minimum": 0,
            "default": KEEP_SECONDS,
            "description": "How long the Job stays in the cluster after its end.",
        },
        "job": {
            "type": "object",
            "description": "A part of a Job, which is laid over the worker's own.",
        },
        "patches": {
            **_OBJECTS,
            "description": "JSON patches (RFC 6902) of the Job: op, path and value.",
        },
    },
}
