"""The job template of the kind "process": the service checks templates and overrides with it."""

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
