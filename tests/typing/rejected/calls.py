"""What users get wrong; each marked line must be an error to type checkers, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath import flow, get_run_logger, task
from towpath.cache_policies import INPUTS
from towpath.serializers import CompressedSerializer, JSONSerializer
from towpath.states import Completed

if TYPE_CHECKING:
    from towpath.client import Client


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
async def fetch(url: str) -> bytes:
    return url.encode()


@flow
def pipeline(count: int) -> str:
    add("one")  # wrong
    add(1, c=2)  # wrong
    add()  # wrong
    number: str = add(1)  # wrong
    other: str = add.submit(1).result()  # wrong
    return number + other


pipeline("three")  # wrong
pipeline(3).missing  # wrong
task(retrys=3)(len)  # wrong
task(result_serializer="yaml")(len)  # wrong
task(result_serializer=JSONSerializer)(len)  # wrong
CompressedSerializer(compressionlib="bz2")  # wrong
flow(timeout_seconds="soon")(len)  # wrong
flow.from_source("flows")  # wrong
flow.from_source(3, entrypoint="etl.py:etl")  # wrong
flow.deploy("nightly")  # wrong
state: int = pipeline(3, return_state=True)  # wrong
task(timeout_seconds="soon")(len)  # wrong
INPUTS - 5  # wrong
INPUTS + "b"  # wrong
Completed().name = 5  # wrong
get_run_logger("run")  # wrong
states: list[int] = add.map([1], return_state=True)  # wrong


@flow
async def modern() -> int:
    return await fetch(1)  # wrong


def administer(client: Client) -> None:
    client.tokens  # wrong
    client.secrets.set("db-password", "hush")  # wrong
    client.keys.create("ci", life=30)  # wrong
    client.users.create("eve@example.org").api_key = ""  # wrong
