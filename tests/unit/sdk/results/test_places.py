"""Places of stored results: what a folder and buckets do alike, and what is trusted of them."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer
from towpath import flow, task
from towpath._results.buckets import Bucket
from towpath._results.places import Folder, Found, Place
from towpath._results.store import StoredResults, Trust
from towpath._settings.readers import read_results_url
from towpath.cache_policies import INPUTS
from towpath.cli._main import cli
from towpath.exceptions import ResultError

from tests.budgets import patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "ab" * 32
PRIVATE = Trust()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_environment(s3: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    variables = {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def bucket(s3: str, s3_environment: dict[str, str], request: pytest.FixtureRequest) -> str:
    """The address of an empty bucket."""
    name = f"b{abs(hash(request.node.nodeid)) % 10**12}"
    boto3.client("s3", endpoint_url=s3).create_bucket(Bucket=name)
    return f"s3://{name}/results"


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return Folder(tmp_path / "results")
    if request.param == "memory":
        return Bucket(f"memory:///{tmp_path.name}")
    return Bucket(request.getfixturevalue("bucket"))


def test_bytes_are_found_under_their_name_only(place: Place) -> None:
    assert place.read(NAME) is None
    assert place.create(NAME, b"one")
    found = place.read(NAME)
    assert found is not None
    assert found.data == b"one"
    assert place.read("cd" * 32) is None
    assert list(place.names()) == [NAME]
    assert place.uri_of(NAME).endswith(f"/ab/{NAME}")


def test_of_two_that_create_a_name_the_first_one_wins(place: Place) -> None:
    assert place.create(NAME, b"first")
    assert not place.create(NAME, b"second")
    found = place.read(NAME)
    assert found is not None
    assert found.data == b"first"


def test_bytes_are_replaced_and_removed(place: Place) -> None:
    assert place.create(NAME, b"old")
    old = place.read(NAME)
    assert old is not None
    assert place.replace(NAME, b"new", old.version)
    place.delete(NAME, old.version)
    found = place.read(NAME)
    assert found is not None
    assert found.data == b"new"
    place.delete(NAME, found.version)
    assert place.read(NAME) is None
    place.delete(NAME)
    assert place.replace(NAME, b"again")


def test_bytes_that_changed_meanwhile_are_not_replaced_in_a_bucket(bucket: str) -> None:
    place = Bucket(bucket)
    place.create(NAME, b"old")
    old = place.read(NAME)
    assert old is not None
    assert place.replace(NAME, b"theirs")
    assert not place.replace(NAME, b"ours", old.version)


def test_a_result_stays_until_it_expires_or_is_damaged(place: Place) -> None:
    store = StoredResults(place)

    def write(value: int, now: float | None) -> str:
        stored = store.write(
            "k", value, run_id=f"r{value}", serializer="json", expires=100.0, now=now
        )
        return stored.run_id

    assert write(1, now=0.0) == "r1"
    assert write(2, now=99.0) == "r1"
    assert store.read("k")[1] == 1
    assert write(3, now=100.0) == "r3"
    assert write(4, now=None) == "r4"
    (name,) = place.names()
    place.replace(name, place.read(name).data[:-1] + b"9")
    assert write(5, now=0.0) == "r5"
    assert store.read("k")[1] == 5


def test_a_sweep_removes_what_has_expired(place: Place) -> None:
    store = StoredResults(place)
    for number, expires in enumerate([10.0, 20.0, None]):
        store.write(f"k{number}", number, run_id="r", serializer="json", expires=expires)
    place.create("ef" * 32, b"of another program")
    assert store.sweep(10.0) == (1, 3)
    assert store.read("k0") is None
    assert store.read("k1") is not None
    assert store.sweep(10.0) == (0, 3)


def _written(url: str, trust: Trust, serializer: Any = "json", value: Any = 1) -> None:
    StoredResults(Bucket(url), trust).write(
        "k", value, run_id="r", serializer=serializer, expires=None
    )


def _changed(
    url: str, change: Callable[[dict[str, Any], bytes], tuple[dict[str, Any], bytes]]
) -> None:
    """Alters what lies under the key, as others could who may write there."""
    place = Bucket(url)
    (name,) = place.names()
    head, _, data = _data(place.read(name)).partition(b"\n")
    head, data = change(json.loads(head), data)
    place.replace(name, json.dumps(head).encode() + b"\n" + data)


def _data(found: Found | None) -> bytes:
    assert found is not None
    return found.data


@pytest.mark.parametrize("serializer", ["pickle", "compressed/pickle"])
def test_unsigned_pickles_of_a_bucket_are_neither_written_nor_read(
    tmp_path: Path, serializer: Any
) -> None:
    url = f"memory:///{tmp_path.name}"
    with pytest.raises(ResultError, match=r"results\.signing_key"):
        _written(url, PRIVATE, serializer)
    _written(url, Trust(pickles=True), serializer)
    with pytest.raises(ResultError, match=r"others may have written it.*pickles can run code"):
        StoredResults(Bucket(url)).read("k")
    assert StoredResults(Bucket(url), Trust(pickles=True)).read("k")[1] == 1


def test_signed_pickles_of_a_bucket_are_read(tmp_path: Path) -> None:
    url, trust = f"memory:///{tmp_path.name}", Trust(signing_key="s" * 32)
    _written(url, trust, "pickle")
    assert StoredResults(Bucket(url), trust).read("k")[1] == 1
    for other in (Trust(signing_key="t" * 32), PRIVATE):
        with pytest.raises(ResultError):
            StoredResults(Bucket(url), other).read("k")


@pytest.mark.parametrize(
    "change",
    [
        lambda head, data: ({**head, "run_id": "other"}, data),
        lambda head, data: ({**head, "key": "other"}, data),
        lambda head, data: ({**head, "serializer": "json"}, data),
        lambda head, data: (head, data + b"x"),
        lambda head, data: ({name: head[name] for name in head if name != "signature"}, data),
    ],
    ids=["run", "key", "serializer", "bytes", "unsigned"],
)
def test_a_signed_result_that_was_altered_is_not_read(tmp_path: Path, change: Any) -> None:
    url, trust = f"memory:///{tmp_path.name}", Trust(signing_key="s" * 32)
    _written(url, trust, "pickle")
    _changed(url, change)
    with pytest.raises(ResultError, match="can't be read back"):
        StoredResults(Bucket(url), trust).read("k")


def test_an_unsigned_result_of_a_bucket_imports_no_module(tmp_path: Path) -> None:
    url = f"memory:///{tmp_path.name}"
    _written(url, PRIVATE)
    named = json.dumps({"$": "enum", "type": "this:s", "v": "x"}).encode()

    def name_a_module(head: dict[str, Any], _: bytes) -> tuple[dict[str, Any], bytes]:
        import hashlib  # noqa: PLC0415 - here alone

        return {**head, "sha256": hashlib.sha256(named).hexdigest()}, named

    _changed(url, name_a_module)
    with pytest.raises(ResultError, match="this process has not imported"):
        StoredResults(Bucket(url)).read("k")
    assert "this" not in sys.modules


def test_results_of_flows_are_found_in_a_bucket(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    monkeypatch.setenv("TOWPATH_RESULTS_URL", bucket)
    computed: list[int] = []

    @task(cache_policy=INPUTS)
    def compute(number: int) -> int:
        computed.append(number)
        return number

    @flow
    def twice() -> list[int]:
        return [compute(1), compute(1)]

    assert twice() == [1, 1]
    assert computed == [1]
    assert len(list(Bucket(bucket).names())) == 1


def test_a_bucket_that_does_not_answer_costs_the_cache_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, s3_environment: dict[str, str]
) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    monkeypatch.setenv("TOWPATH_RESULTS_URL", "s3://there-is-none/results")

    @task(cache_policy=INPUTS)
    def compute() -> int:
        return 7

    @flow
    def goes_on() -> int:
        return compute()

    assert goes_on() == 7


def test_the_command_removes_what_has_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOWPATH_HOME", str(tmp_path))
    store = StoredResults(Folder(tmp_path / "results"))
    store.write("old", 1, run_id="r", serializer="json", expires=1.0)
    store.write("new", 1, run_id="r", serializer="json", expires=None)
    ran = CliRunner().invoke(cli, ["results", "sweep"])
    assert (ran.exit_code, ran.output) == (0, "1 expired results removed, 1 left\n")


FORKS = """
import os, sys
from towpath._results.buckets import Bucket
place = Bucket(sys.argv[1])
place.create("ab" * 32, b"parent")
child = os.fork()
if not child:
    assert place.read("ab" * 32).data == b"parent"
    assert not place.create("ab" * 32, b"child")
    assert Bucket(sys.argv[1]).create("cd" * 32, b"child")
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), place.read("cd" * 32).data)
"""


def test_a_forked_child_uses_a_bucket_too(bucket: str, s3_environment: dict[str, str]) -> None:
    ran = subprocess.Popen(
        [sys.executable, "-c", FORKS, bucket],
        env={**os.environ, **s3_environment},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = ran.communicate(timeout=patience(180.0))
    except subprocess.TimeoutExpired:
        os.killpg(ran.pid, signal.SIGKILL)
        ran.communicate()
        raise
    assert output == "7 b'child'\n"


@pytest.mark.parametrize(
    "address", ["s3://b/p", "gs://b", "az://c/p", "file:///srv/results", "memory:///", ""]
)
def test_addresses_of_places(address: str) -> None:
    assert read_results_url(address) == address.rstrip("/") or address.endswith("///")


@pytest.mark.parametrize("address", ["http://b/p", "s3://", "s3://key@b/p", "results"])
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        read_results_url(address)
