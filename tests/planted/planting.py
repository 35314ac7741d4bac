"""Plants a bug and tells whether the named tests notice.

Most bugs are planted in imported sources, for one process; see `swapping`. A bug that other
processes are to meet, or that an import shows, is planted in a copy of the sources.

A test suite proves little until it has been seen to fail. Each `PlantedBug` names one change of
the sources that breaks a promise, and the tests that must catch it.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.budgets import PLANTED
from tests.forkserver.processes import NOT_IMPORTED, ran
from tests.planted.swapping import PLANTED_BUG, swaps
from tests.postgres.server import DSN_VARIABLE

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("sdk", "service", "auth")

HANG_SECONDS: Final = 8
_OPTIONS: Final = (
    # Failures are what is wanted: nobody reads their tracebacks.
    *("-q", "-x", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-seed=1"),
    # What is imported before the plugins are loaded has no assertions of ours.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
_IMPORTS: Final = (
    "alembic.command",
    "anyio.pytest_plugin",
    "anyio._backends._trio",
    "asyncpg",
    "click",
    "cloudpickle",
    "connectrpc.server",
    "cryptography.x509",
    "cryptography.hazmat.primitives.ciphers.aead",
    "google.protobuf.descriptor_pool",
    "google.protobuf.internal.python_message",
    "grpc.aio",
    "hypothesis.stateful",
    "hypothesis.strategies",
    "jwt",
    "opentelemetry.trace",
    "protobuf",
    "protovalidate",
    "psutil",
    "pydantic",
    "platformdirs.pytest_plugin",
    "pytest_asyncio.plugin",
    "pytest_cov.plugin",
    "pytest_timeout",
    "rich.console",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.dialects.sqlite",
    "sqlalchemy.ext.asyncio",
    "starlette.applications",
    "uvicorn",
    "xdist.looponfail",
)
"""What tests and sources import and no bug is planted in."""
_SOURCES: Final = ("towpath_auth.*", "towpath_service.*", "towpath.*")
_STARTS: Final = ("tests/scenarios/", "tests/chaos/", "tests/telemetry/")
"""Where guards start processes, which import the sources by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBug:
    """One change that breaks a promise."""

    name: str
    file: str
    """Path from the root of the checkout."""
    correct: str
    """Text that stands in the file exactly once."""
    broken: str
    """What it is replaced by."""
    caught_by: tuple[str, ...]
    """pytest node ids, at least one of which must fail, and all of which pass without it."""
    hangs: bool = False
    """Whether its tests wait for what never comes: they get `HANG_SECONDS` each."""
    elsewhere: bool = False
    """Whether it takes effect in other processes than that of its tests."""


def is_swapped(bug: PlantedBug) -> bool:
    """Whether a bug can be planted in sources that are imported already."""
    if bug.elsewhere or any(guard.startswith(_STARTS) for guard in bug.caught_by):
        return False
    text = (ROOT / bug.file).read_text(encoding="utf-8")
    return swaps(bug.file, text, _broken(bug, text)) is not None


def run_swapped(
    bug: PlantedBug | None, node_ids: tuple[str, ...], *options: str, postgres: str
) -> subprocess.CompletedProcess[str]:
    """Runs tests in a process whose imported sources have a bug.

    Args:
        bug: The bug; None for none.
        node_ids: Those of pytest.
        options: Further ones of pytest.
        postgres: DSN of a server on which the tests make databases.
    """
    planted_bug = {
        "file": str(ROOT / bug.file) if bug else "",
        "correct": bug.correct if bug else "",
        "broken": bug.broken if bug else "",
    }
    return ran(
        "pytest",
        ["-p", "tests.planted.swapping", *_OPTIONS, *options, *node_ids],
        environment=_environment(postgres) | {PLANTED_BUG: json.dumps(planted_bug)},
        folder=ROOT,
        timeout=300,
        imports=(*_IMPORTS, *_SOURCES, *NOT_IMPORTED),
    )


def copy_sources(into: Path) -> Path:
    """Copies the sources to a folder, with what is compiled: copies are of the same time and size.

    Args:
        into: The folder, which isn't there yet.
    """
    for source in SOURCES:
        shutil.copytree(ROOT / source, into / source)
    return into


@contextmanager
def planted(bug: PlantedBug, sources: Path) -> Generator[None]:
    """Has a copy of the sources hold a bug.

    Args:
        bug: The bug.
        sources: The folder of the copy.

    Raises:
        AssertionError: The text to break doesn't stand in its file exactly once.
    """
    target = sources / bug.file
    text = target.read_text(encoding="utf-8")
    _write(target, _broken(bug, text))
    try:
        yield
    finally:
        _write(target, text)


def _broken(bug: PlantedBug, text: str) -> str:
    found = text.count(bug.correct)
    if found != 1:
        raise AssertionError(
            f"{bug.name}: the text to break stands {found} times in {bug.file}, not once: "
            "bring tests/planted/bugs.py up to date with the code"
        )
    return text.replace(bug.correct, bug.broken)


def _environment(postgres: str) -> dict[str, str]:
    return os.environ | {"PYTHONUNBUFFERED": "1", PLANTED: "1", DSN_VARIABLE: postgres}


def _write(target: Path, text: str) -> None:
    """Writes a module, without what was compiled of it."""
    for compiled in target.parent.glob(f"__pycache__/{target.stem}.*"):
        compiled.unlink()
    target.write_text(text, encoding="utf-8")


def run_tests(
    node_ids: tuple[str, ...], *options: str, sources: Path, postgres: str
) -> subprocess.CompletedProcess[str]:
    """Runs tests of this checkout against the sources of another folder.

    Args:
        node_ids: Those of pytest.
        options: Further ones of pytest.
        sources: Where the sources are.
        postgres: DSN of a server on which the tests make databases.
    """
    path = os.pathsep.join(str(sources / source) for source in SOURCES)
    return ran(
        "pytest",
        [*_OPTIONS, *options, *node_ids],
        environment=_environment(postgres) | {"PYTHONPATH": path},
        folder=ROOT,
        timeout=300,
        imports=_IMPORTS,
    )
