"""What the scenarios run: tasks of a module, so that any process can find them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - flows read their annotations

from pydantic import BaseModel
from towpath import flow, get_run_logger, task
from towpath.runtime import flow_run, task_run


class SpoiltError(Exception):
    """An error of a user's own, with a field."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is spoilt")
        self.what = what

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.what,)


@dataclass
class Basket:
    items: list[object]


class Order(BaseModel):
    number: int
    of: object = None


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def consume(value: object) -> object:
    return value


@task
def spoil(what: str = "milk") -> int:
    raise SpoiltError(what)


@task
def mark(folder: Path, name: str, *upstream: object) -> str:
    with (folder / name).open("a") as file:
        file.write("x")
    return name


@task
def node(folder: Path, number: int, fails: bool, upstream: list[object]) -> int:
    (folder / str(number)).touch()
    if fails:
        raise RuntimeError("planned")
    return number


@task(retries=3, retry_delay_seconds=[60, 120])
def third_time(folder: Path) -> int:
    tries = len(list(folder.glob("try-*")))
    (folder / f"try-{tries}").touch()
    if tries < 2:
        raise ConnectionError("away")
    assert task_run.run_count == 3
    return tries


@task(timeout_seconds=0.2)
def endless() -> None:
    while True:
        time.sleep(0.001)


@task
async def double(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


@task(timeout_seconds=0.2)
async def endless_async() -> None:
    await asyncio.Event().wait()


@task
def count_to(most: int):
    yield from range(most)


@task
async def count_to_async(most: int):
    for number in range(most):
        yield number


@task(log_prints=True)
def talk() -> None:
    get_run_logger().info("first")
    print("second")  # noqa: T201 - that is what is captured
    logging.getLogger("mine").warning("third")


@task
def nested(fails: bool = False) -> int:
    if fails:
        spoil.submit()
    return add(1) + add.submit(10).result()


@flow
def inner(number: int) -> int:
    return add(number)


@task
def runs_a_flow(number: int) -> int:
    return inner(number)


@task
def leave() -> None:
    sys.exit(4)


@task
def who() -> dict[str, object]:
    return {
        "task": task_run.task_name,
        "run": task_run.name,
        "tags": task_run.tags,
        "flow": flow_run.flow_name,
        "parameters": flow_run.parameters,
    }


@task
def nap(folder: Path) -> None:
    (folder / "napping").touch()
    for _ in range(30_000):
        time.sleep(0.001)


@task
def nap_on(folder: Path) -> None:
    (folder / "napping").touch()
    for _ in range(300):
        with contextlib.suppress(Exception):
            for _ in range(100):
                time.sleep(0.001)


@task
async def nap_async(folder: Path) -> None:
    (folder / "napping").touch()
    await asyncio.sleep(30)


@task
def vanish(how: str) -> None:
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), signal.SIGKILL)


@task(retries=1)
def vanish_once(folder: Path) -> str:
    if not (folder / "been").exists():
        (folder / "been").touch()
        os._exit(3)
    return "back"


@task
def vanish_with_a_child() -> None:
    begun_and_gone()


@task
def begun_and_gone() -> None:
    os._exit(3)


@task(timeout_seconds=0.5)
def hold_the_gil() -> None:
    re.match(r"(a+)+$", "a" * 40 + "b")


@task
def unsendable() -> object:
    return threading.Lock()


@task
def process_of(_: int = 0) -> int:
    return os.getpid()


def note_process(folder: Path) -> None:
    with (folder / str(os.getpid())).open("a") as noted:
        noted.write("set up\n")


def fail_once(marker: Path) -> None:
    if not marker.exists():
        marker.touch()
        raise OSError("no disk")


@task
def raise_unsendable() -> None:
    raise OddError(threading.Lock())


class OddError(Exception):
    """An error that no pickle takes."""


@task(timeout_seconds=20)
def await_release(folder: Path) -> None:
    while not (folder / "released").exists():
        time.sleep(0.005)
