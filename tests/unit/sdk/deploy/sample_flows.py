"""Flows that tests deploy."""

from __future__ import annotations

from datetime import date  # noqa: TC003 - pydantic looks the annotation up
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from towpath import Sensitive, flow


class Window(BaseModel):
    days: int = 3


@flow(tags=["etl"], version="7")
def load(
    day: date,
    password: Annotated[str, Sensitive] = "hunter2",
    mode: Literal["full", "delta"] = "full",
    window: Window = Window(),  # noqa: B008 - a default that is a model
    frame: Any = object(),  # noqa: B008 - a default that is no JSON
    *,
    limit: int | None = None,
) -> int:
    """Loads a day.

    Args:
        day: The day to load,
            in UTC.
        limit (int): Most rows.

    Returns:
        The number of rows.
    """
    return len(password) + (limit or 0)


@flow
def hello(name: str = "world") -> str:
    return f"hello {name}"


@flow(name="Sends: mails")
def send(**more: int) -> None:
    """Sends."""


@flow(validate_parameters=False)
def anything(x: Window) -> None:
    """Takes anything."""


class Jobs:
    @staticmethod
    @flow
    def clean() -> None:
        """Cleans."""


another_name = hello.with_options(name="other")
