"""Where the reference pages find what they list: the one file to adapt when code moves."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"
REFERENCE: Final = DOCS / "reference"
SITE: Final = ROOT / "build" / "site"
CHART: Final = ROOT / "k8s" / "chart" / "towpath"
CONTRACT: Final = ROOT / "protos" / "towpath" / "api" / "v1"

PAGES_OUTSIDE: Final = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "k8s/README.md")
"""Pages of the repository that are not on the site."""

EXIT_CODES: Final = "towpath.cli.shared.errors"
SETTINGS: Final = "towpath._settings.declared:SETTINGS"
SERVER_OPTIONS: Final = "towpath_service.app.options:SERVER_OPTIONS"
COMMANDS: Final = "towpath.cli._main:cli"
TRANSITIONS: Final = "towpath_service.runs.domain.states:TABLE"
TERMINAL_STATES: Final = "towpath_service.runs.domain.states:TERMINAL_STATES"
RULES: Final = "towpath_service.runs.domain.decisions:RULES"

PUBLIC_MODULES: Final = (
    "towpath",
    "towpath.states",
    "towpath.futures",
    "towpath.task_runners",
    "towpath.dask",
    "towpath.cache_policies",
    "towpath.serializers",
    "towpath.filesystems",
    "towpath.results",
    "towpath.transactions",
    "towpath.locking",
    "towpath.locking.protocol",
    "towpath.locking.memory",
    "towpath.locking.filesystem",
    "towpath.concurrency",
    "towpath.concurrency.sync",
    "towpath.concurrency.asyncio",
    "towpath.variables",
    "towpath.artifacts",
    "towpath.schedules",
    "towpath.deployments",
    "towpath.flow_runs",
    "towpath.input",
    "towpath.tasks",
    "towpath.flows",
    "towpath.annotations",
    "towpath.context",
    "towpath.runtime",
    "towpath.runtime.flow_run",
    "towpath.runtime.task_run",
    "towpath.runtime.deployment",
    "towpath.logging",
    "towpath.exceptions",
    "towpath.settings",
    "towpath.client",
    "towpath.telemetry",
    "towpath.testing",
    "towpath.extensions.transports",
    "towpath.extensions.job_templates",
    "towpath.extensions.outboxes",
    "towpath.extensions.tracing",
    "towpath.extensions.spans",
    "towpath.extensions.exporting",
    "towpath.extensions.redaction",
    "towpath.extensions.progress",
)
"""Modules whose names users import, those that readers look up most first."""


def load(place: str) -> Any:
    """The object at "module:name"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
