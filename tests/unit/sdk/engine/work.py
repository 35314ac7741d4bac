"""Tasks of tests."""

from __future__ import annotations

from towpath import task


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def fail(message: str = "boom") -> int:
    raise ValueError(message)


@task
def consume(value: object) -> object:
    return value
