"""Exceptions of every kind: the user's own is raised, and its run ends FAILED with it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from towpath import flow, tags, task
from towpath._runs.failures import describe, headline, place
from towpath.exceptions import DefinitionError, FlowRunFailed
from towpath.testing import harness

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator


class NoText(Exception):
    def __str__(self) -> str:
        raise AttributeError("no response yet")

    __repr__ = __str__


class NoneText(Exception):
    def __str__(self) -> Any:
        text: Any = None
        return text


class Refusing(Exception):
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(f"no {name}")

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(f"no {name}")


class OddCause(Exception):
    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise ValueError("no cause")


@dataclass(frozen=True)
class Frozen(Exception):
    code: int = 7


def _own_cause() -> BaseException:
    error = ValueError("mine")
    error.__cause__ = error
    return error


def _ring() -> BaseException:
    one, other = ValueError("one"), KeyError("other")
    one.__cause__, other.__cause__ = other, one
    return one


def _chain() -> BaseException:
    error = ValueError("first")
    for number in range(3000):
        link = ValueError(f"link {number}")
        link.__cause__ = error
        error = link
    return error


def _deep_group() -> BaseException:
    error: Exception = ValueError("innermost")
    for _ in range(2000):
        error = ExceptionGroup("group", [error])
    return error


ZOO: dict[str, Callable[[], BaseException]] = {
    "no text": NoText,
    "text None": NoneText,
    "refusing attributes": Refusing,
    "odd cause": OddCause,
    "frozen": Frozen,
    "own cause": _own_cause,
    "ring": _ring,
    "chain": _chain,
    "group": lambda: ExceptionGroup("two", [NoText(), Frozen()]),
    "deep group": _deep_group,
    "huge": lambda: ValueError("x" * 2_000_000),
    "StopIteration": StopIteration,
    "SystemError": SystemError,
}


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("way", ["called", "submitted", "flow"])
def test_the_users_own_exception_is_raised_and_its_run_fails(name: str, way: str) -> None:
    error = ZOO[name]()

    @task(retries=1)
    def body() -> NoReturn:
        with tags("around"):
            raise error

    @flow
    def around() -> object:
        return body() if way == "called" else body.submit().result()

    tried = flow(body.fn) if way == "flow" else around
    with harness() as recorded, pytest.raises(BaseException) as caught:  # noqa: PT011 - any
        tried()
    assert caught.value is error
    assert {run.state for run in recorded.runs} == {"FAILED"}


@pytest.mark.parametrize("name", ZOO)
def test_an_unhandled_failure_fails_the_flow(name: str) -> None:
    @task
    def body() -> NoReturn:
        error = ZOO[name]()
        raise error

    @flow
    def around() -> None:
        body.submit()

    with harness() as recorded, pytest.raises(FlowRunFailed):
        around()
    assert {run.state for run in recorded.runs} == {"FAILED"}


@pytest.mark.parametrize("name", ZOO)
def test_any_exception_can_be_described(name: str) -> None:
    error = ZOO[name]()
    report = describe(error)
    depth = 0
    while report.cause is not None:
        report, depth = report.cause, depth + 1
    assert depth <= 7
    assert type(error).__name__ in headline(error)
    assert place(error) == ""


@pytest.mark.parametrize("event", ["on_running", "on_completion"])
@pytest.mark.parametrize(
    "error", [ValueError("hook"), SystemExit(4), NoText()], ids=lambda error: type(error).__name__
)
def test_a_hook_changes_nothing(event: str, error: BaseException) -> None:
    def hook(*_: object) -> NoReturn:
        raise error

    options: dict[str, Any] = {event: hook}

    @task(**options)
    def fine() -> int:
        return 1

    @flow
    def around() -> int:
        return fine()

    with harness() as recorded:
        assert around() == 1
    assert {run.state for run in recorded.runs} == {"COMPLETED"}


@pytest.mark.parametrize("template", ["n {x:d}", "{x.y}", lambda: 1 / 0, lambda: None])
def test_a_name_that_can_not_be_made_is_left_out(template: Any) -> None:
    @task(task_run_name=template)
    def named(x: object) -> object:
        return x

    with harness() as recorded:
        assert named("s") == "s"
    assert [(run.name, run.state) for run in recorded.runs] == [("named", "COMPLETED")]


@pytest.mark.parametrize("template", ["brace } only", "{y}"])
def test_a_template_that_fits_no_arguments_is_refused(template: str) -> None:
    @task(task_run_name=template)
    def named(x: object) -> object:
        return x

    with harness() as recorded, pytest.raises(DefinitionError, match="template"):
        named("s")
    assert recorded.runs == []


@pytest.mark.parametrize("hooks", [[5], ["name"]])
def test_hooks_that_are_no_functions_are_refused(hooks: list[Any]) -> None:
    with pytest.raises(DefinitionError, match="on_failure"):
        task(lambda: 1, on_failure=hooks)


@pytest.mark.parametrize(
    "error", [OSError("cleanup"), Frozen(), NoText()], ids=lambda error: type(error).__name__
)
def test_what_a_generators_cleanup_raises_is_its_runs_failure(error: Exception) -> None:
    @task
    def items() -> Generator[int]:
        try:
            yield 1
        finally:
            raise error

    @flow
    def leaves() -> object:
        made = items()
        next(made)
        try:
            made.close()
        except Exception as raised:  # noqa: BLE001 - compared
            return raised
        return None

    with harness() as recorded:
        assert leaves() is error
    assert recorded.run("items").state == "FAILED"
    assert recorded.run("leaves").state == "COMPLETED"


def test_what_an_async_generators_cleanup_raises_is_its_runs_failure() -> None:
    error = OSError("cleanup")

    @task
    async def items() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            raise error

    @flow
    async def leaves() -> object:
        try:
            async with aclosing(items()) as made:
                await anext(made)
        except OSError as raised:
            return raised
        return None

    with harness() as recorded:
        assert asyncio.run(leaves()) is error  # type: ignore[arg-type]
    assert recorded.run("items").state == "FAILED"
    assert recorded.run("leaves").state == "COMPLETED"
