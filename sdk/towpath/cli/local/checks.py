"""The checks of `towpath doctor`."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING, Final

from towpath._display.words import span
from towpath._settings.current import get_settings, resolve_settings
from towpath._settings.layers import file_problems, strange_variables
from towpath._transport.discovery import DATABASE, find_server
from towpath._transport.service import server_address
from towpath.cli.local.check import TIMEOUT_SECONDS, Check
from towpath.cli.local.check_identity import identity_check
from towpath.cli.local.check_outboxes import outbox_checks
from towpath.cli.shared.profile_key import is_exposed
from towpath.client._connect import open_client
from towpath.exceptions import ConfigurationError, RpcError, TowpathError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from towpath._settings.declared import Settings

SKEW_SECONDS: Final = 2.0
_FULL_BYTES: Final = 1024 * 1024 * 1024
_LEAST_FREE_BYTES: Final = 256 * 1024 * 1024


def all_checks() -> Iterator[Check]:
    """Runs all checks, one after the other."""
    yield Check(name="version", verdict="ok", text=f"towpath {version('towpath')}")
    try:
        settings = get_settings()
    except ConfigurationError as error:
        yield Check(
            name="settings",
            verdict="failed",
            text=str(error),
            fix="`towpath config validate` lists all problems; fix them, then run this again",
        )
        return
    yield from _settings_checks()
    yield from _home_checks(settings.home)
    yield from _server_checks(settings)
    yield from outbox_checks(settings.home)


def _settings_checks() -> Iterator[Check]:
    resolution = resolve_settings()
    problems = file_problems(resolution.config)
    for problem in problems:
        yield Check(
            name="settings",
            verdict="warning",
            text=str(problem),
            fix="the profile isn't in use now; fix it before you use it",
        )
    if is_exposed(resolution.config):
        yield Check(
            name="settings",
            verdict="warning",
            text=f"{resolution.config.path} holds an API key, and other users can read it",
            fix=f"run `chmod 600 {resolution.config.path}`; run `towpath key rotate` if the key was"
            " read",
        )
    for name in strange_variables():
        yield Check(
            name="settings",
            verdict="warning",
            text=f"the environment has {name}, which is no setting",
            fix="`towpath config view` lists all settings",
        )
    if not problems:
        project = f" and {resolution.project.path}" if resolution.project else ""
        place = f"profile {resolution.profile} of {resolution.config.path}{project}"
        yield Check(name="settings", verdict="ok", text=place)


def _home_checks(home: Path) -> Iterator[Check]:
    at = next((folder for folder in (home, *home.parents) if folder.exists()), home)
    if not os.access(at, os.W_OK | os.X_OK):
        yield Check(
            name="home",
            verdict="failed",
            text=f"{home} can't be written, so no run can be recorded",
            fix=f"make {at} writable, or set TOWPATH_HOME to another folder",
        )
        return
    free = _free_bytes(at)
    if free < _LEAST_FREE_BYTES:
        yield Check(
            name="home",
            verdict="warning",
            text=f"{home}: only {free // 1024**2} MB are free",
            fix="free disk space: a full disk stops the outbox",
        )
        return
    yield Check(name="home", verdict="ok", text=str(home))


def _server_checks(settings: Settings) -> Iterator[Check]:
    address = server_address(settings)
    if not address:
        yield from _database_checks(settings)
        return
    try:
        # The call needs no credential; another check tries the credential.
        with open_client(settings, anonymous=True) as client:
            began = time.time()
            info = client.server_info(timeout_seconds=TIMEOUT_SECONDS)
            middle = (began + time.time()) / 2
    except (ConfigurationError, RpcError) as error:
        yield Check(name="server", verdict="failed", text=str(error), fix=_server_fix(settings))
        return
    how = "configured" if settings.server_address else "found on the home"
    yield Check(name="server", verdict="ok", text=f"{address}, {how}, version {info.version}")
    yield from _version_checks(info.version, info.minimum_client_version, info.notice)
    yield _skew_check(info.time, datetime.fromtimestamp(middle, UTC))
    yield identity_check(settings)


def _server_fix(settings: Settings) -> str:
    found = find_server(settings.home)
    if settings.server_address and found is not None:
        return (
            f"a server runs on this home at {found.grpc}: use it with `towpath config set"
            f" server.address {found.grpc}`"
        )
    return "pipelines still run; when the server is back, `towpath sync` delivers their reports"


def _database_checks(settings: Settings) -> Iterator[Check]:
    database = settings.home / DATABASE
    if settings.require_server:
        yield Check(
            name="server",
            verdict="failed",
            text="server.require is set, and no server is configured or runs on the home",
            fix="run `towpath server start`, or `towpath config set server.address HOST:PORT`",
        )
    elif not list(entry_points(group="towpath.embedded")):
        yield Check(
            name="server",
            verdict="warning",
            text="no server is configured, and the local database needs the service",
            fix="run pip install 'towpath[service]'",
        )
    elif not database.exists():
        yield Check(
            name="server", verdict="ok", text="none; runs will be recorded in the local database"
        )
    else:
        yield _open_check(settings, database)


def _open_check(settings: Settings, database: Path) -> Check:
    try:
        with open_client(settings):
            pass
    except TowpathError as error:
        return Check(
            name="database",
            verdict="failed",
            text=str(error),
            fix=f"move {database} away, or set TOWPATH_HOME to another folder",
        )
    size = database.stat().st_size
    return Check(
        name="database",
        verdict="warning" if size > _FULL_BYTES else "ok",
        text=f"no server; the local database {database} has {size / 1024**2:.1f} MB",
        fix="`towpath run delete` frees space" if size > _FULL_BYTES else "",
    )


def _version_checks(server: str, minimum: str, notice: str) -> Iterator[Check]:
    own = version("towpath")
    if minimum and _numbers(own) < _numbers(minimum):
        yield Check(
            name="version",
            verdict="failed",
            text=f"the server works with clients from {minimum} on, and this is {own}",
            fix=f"run pip install 'towpath>={minimum}'",
        )
    elif _numbers(own)[:2] != _numbers(server)[:2]:
        yield Check(
            name="version",
            verdict="warning",
            text=f"this is {own}, the server {server}",
            fix="upgrade the older one",
        )
    if notice:
        yield Check(name="version", verdict="warning", text=notice)


def _skew_check(server: datetime, own: datetime) -> Check:
    skew = (server - own).total_seconds()
    if abs(skew) <= SKEW_SECONDS:
        return Check(name="clock", verdict="ok", text=f"{abs(skew):.2f}s from the server's")
    behind = "behind" if skew > 0 else "ahead of"
    return Check(
        name="clock",
        verdict="warning",
        text=f"this machine is {span(abs(skew))} {behind} the server: times of runs will be wrong",
        fix="synchronize both clocks with a time service",
    )


def _free_bytes(folder: Path) -> int:
    seen = os.statvfs(folder)
    return seen.f_bavail * seen.f_frsize


def _numbers(text: str) -> tuple[int, ...]:
    digits = "".join(char if char.isdigit() else " " for char in text.partition("+")[0])
    return tuple(map(int, digits.split()))
