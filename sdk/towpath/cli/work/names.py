"""Names of two or three parts, such as "etl/nightly", and what several commands share."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

import click

from towpath.cli.shared.times import local_minute, parse_duration

if TYPE_CHECKING:
    from datetime import datetime

LABEL_WIDTH: Final = 20


def split_name(name: str, parts: int, example: str) -> tuple[str, ...]:
    """The parts of a name.

    Args:
        name: The name as typed.
        parts: The number of parts.
        example: A name of this kind, for the error.

    Raises:
        click.UsageError: It has another number of parts.
    """
    found = tuple(name.split("/"))
    if len(found) != parts or not all(found):
        raise click.UsageError(f"{name!r} must be a name such as {example}")
    return found


def split_queue(name: str) -> tuple[str, str]:
    """The pool and the id in the name of a queue."""
    pool, queue = split_name(name, 2, "local/urgent")
    return pool, queue


def split_worker(name: str) -> tuple[str, str]:
    """The pool and the id in the name of a worker."""
    pool, worker = split_name(name, 2, "local/w-1")
    return pool, worker


def check_deployment(name: str) -> str:
    """Returns the name of a deployment."""
    split_name(name, 2, "etl/nightly")
    return name


def split_schedule(name: str) -> tuple[str, str]:
    """The deployment and the id in the name of a schedule."""
    flow, deployment, schedule = split_name(name, 3, "etl/nightly/daily")
    return f"{flow}/{deployment}", schedule


class Span(click.ParamType[timedelta]):
    """A duration, such as 30s or 2h."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Reads a duration."""
        try:
            return parse_duration(str(value))
        except ValueError:
            self.fail(f"{value!r} is no duration such as 30s, 5m or 2h", param, ctx)


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object, or @FILE for one in a file."""

    name = "JSON"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Reads a JSON object."""
        text = str(value)
        try:
            if text.startswith("@"):
                with click.open_file(text[1:], encoding="utf-8") as file:
                    text = file.read()
            found: Any = json.loads(text)
        except (OSError, ValueError) as error:
            self.fail(f"{str(value)[:63]!r} is no JSON object: {error}", param, ctx)
        if not isinstance(found, dict):
            self.fail("must be a JSON object", param, ctx)
        return cast("dict[str, Any]", found)


def limit_text(limit: int | None) -> str:
    """A limit of runs in a table; empty for none."""
    return "" if limit is None else str(limit)


def paused_text(*, paused: bool) -> str:
    """Whether something is paused, in a table."""
    return "paused" if paused else "active"


def next_text(moment: datetime | None) -> str:
    """The time of the next run in a table; empty for none."""
    return local_minute(moment)
