"""The SDK of an earlier commit with today's service, and today's SDK with the earlier service."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
from towpath._transport.grpc import GrpcTransport
from towpath.client import Client
from towpath.states import StateType

from tests.scenarios.commands import FAN_OUT, GATED
from tests.scenarios.servers import DEADLINE_SECONDS, environment, free_port, listens, wait_until
from tests.sharing import made_once
from tests.skew.environments import Environment, built, earlier, present

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from towpath.client import Run

pytestmark = pytest.mark.subject("delivery", "runs", "transport")


@dataclass
class Side:
    """A home of clients with one version, and the address of a server with another."""

    client: Environment
    home: Path
    address: str
    started: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @property
    def variables(self) -> dict[str, str]:
        """Variables of its processes."""
        return environment(self.home, TOWPATH_SERVER_ADDRESS=self.address)

    def towpath(
        self, *arguments: str, by: Environment | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, by default with the clients' version."""
        return (by or self.client).run(
            *("-m", "towpath", *arguments),
            variables=self.variables,
            folder=self.home,
            timeout_seconds=DEADLINE_SECONDS,
        )

    def gated(self) -> Run | None:
        """The run of the pipeline that waits at its gate, once the server has its first lines."""
        with contextlib.closing(GrpcTransport(self.address)) as transport:
            client = Client(transport)
            # The second task runs, so the first has ended and logged.
            tasks = [run for run in client.runs(filter_='kind = "task"') if run.task == "second"]
            waiting = [task for task in tasks if task.state is StateType.RUNNING]
            return client.run(waiting[0].root_id) if waiting else None

    def wait_for_gated(self) -> Run:
        """Waits until a pipeline waits at its gate."""
        found: list[Run] = []

        def known() -> bool:
            run = self.gated()
            found.extend([run] if run else [])
            return bool(found)

        wait_until(known, "the pipeline waits at its gate")
        return found[0]

    def start(self, *arguments: str, log: str) -> tuple[subprocess.Popen[bytes], Path]:
        """Starts a process of the clients' version; returns it, and the file with its output."""
        path = self.home / log
        process = self.client.start(
            *arguments, variables=self.variables, log=path, folder=self.home
        )
        self.started.append(process)
        return process, path


@contextlib.contextmanager
def serving(version: Environment, home: Path) -> Generator[str]:
    """A server of a version; gives its address."""
    home.mkdir(parents=True)
    ports = (free_port(), free_port())
    log = home / "server.log"
    process = version.start(
        *("-m", "towpath_service", "start"),
        *("--port", str(ports[0]), "--web-port", str(ports[1])),
        variables=environment(home),
        log=log,
        folder=home,
    )

    def answers() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        return all(map(listens, ports))

    try:
        wait_until(answers, f"the {version.name} server answers")
        yield f"127.0.0.1:{ports[0]}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The environment of the earlier commit, which all workers of pytest-xdist share."""

    def build(folder: Path) -> None:
        earlier(folder / "earlier")

    return built(made_once(tmp_path_factory, "skew", build) / "earlier")


@pytest.fixture(scope="module", params=["earlier SDK", "earlier service"])
def side(
    request: pytest.FixtureRequest, before: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Side]:
    """Clients of one version whose server has the other."""
    folder = tmp_path_factory.mktemp("side")
    older_client = request.param == "earlier SDK"
    client, server = (before, present()) if older_client else (present(), before)
    (folder / "home").mkdir()
    with serving(server, folder / "server") as address:
        made = Side(client, folder / "home", address)
        yield made
        for process in made.started:
            process.kill()
            process.wait()


def test_the_environments_have_different_sources(before: Environment, tmp_path: Path) -> None:
    def sources(of: Environment) -> str:
        code = "import towpath, towpath_service as s, towpath_auth as a; print(*(m.__file__ for m"
        done = of.run(
            *("-c", f"{code} in (towpath, s, a)))"),
            variables=environment(tmp_path),
            folder=tmp_path,
            timeout_seconds=DEADLINE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    old = sources(before).split()
    assert all(str(before.python.parents[2] / "source") in path for path in old), old
    assert not set(old) & set(sources(present()).split())


def test_runs_failures_and_log_lines_arrive(side: Side) -> None:
    done = side.client.run(
        *("-c", FAN_OUT),
        variables=side.variables,
        folder=side.home,
        timeout_seconds=DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    listed = side.towpath("run", "ls", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    flows = {run["name"]: run for run in json.loads(listed.stdout)}
    assert flows["lonely"]["state"] == "COMPLETED"
    failed = flows["fan_out"]
    assert failed["state"] == "FAILED"
    logs = side.towpath("run", "logs", failed["short_id"])
    assert logs.returncode == 0, logs.stderr
    for line in ("loading 0", "loading 1", "loading 2", "part 1 looks odd"):
        assert logs.stdout.count(line) == 1, logs.stdout


def test_a_watch_and_a_log_follow_a_run_to_its_end(side: Side) -> None:
    gate = side.home / "gate"
    pipeline, _ = side.start("-c", GATED, str(gate), log="pipeline.log")
    run = side.wait_for_gated().short_id
    watch, seen = side.start("-m", "towpath", "run", "watch", run, log="watch.log")
    follow, told = side.start("-m", "towpath", "run", "logs", "--follow", run, log="follow.log")
    wait_until(lambda: "gated" in seen.read_text("utf-8"), "the watch shows the run")
    wait_until(lambda: "at the gate" in told.read_text("utf-8"), "the first line is told")
    gate.touch()
    assert pipeline.wait(DEADLINE_SECONDS) == 0
    assert watch.wait(DEADLINE_SECONDS) == 0, seen.read_text("utf-8")
    assert follow.wait(DEADLINE_SECONDS) == 0, told.read_text("utf-8")
    assert "COMPLETED  gated" in seen.read_text("utf-8").splitlines()[-1]
    assert told.read_text("utf-8").count("through the gate") == 1


def test_a_killed_process_is_taken_over_by_the_other_version(
    side: Side, before: Environment
) -> None:
    """As after an upgrade or a downgrade of the package: the other version wrote the outbox."""
    killed, _ = side.start("-c", GATED, str(side.home / "never"), log="killed.log")
    run_id = side.wait_for_gated().id
    killed.kill()
    killed.wait()
    other = present() if side.client == before else before
    synced = side.towpath("sync", by=other)
    assert synced.returncode == 0, synced.stderr
    with contextlib.closing(GrpcTransport(side.address)) as transport:
        assert Client(transport).run(run_id).state is StateType.CRASHED


def test_a_feature_that_the_service_lacks_is_named_with_the_version_that_has_it(
    side: Side, before: Environment
) -> None:
    done = side.towpath("variable", "ls", by=present())
    if side.client == before:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode != 0
    message = " ".join(done.stderr.split())
    assert f"the server at {side.address} is older than this client" in message
    own = version("towpath")
    assert f"has no VariableService.ListVariables: Towpath {own} has it" in message
    assert "Traceback" not in message
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_clone_without_the_commit_says_what_to_do(tmp_path: Path) -> None:
    checkout = tmp_path / "clone"
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True)
    with pytest.raises(pytest.fail.Exception, match=r"(?s)need commit aaaaaaaaaaaa.*--unshallow"):
        earlier(tmp_path / "environment", checkout=checkout, commit="a" * 40)
    assert not (tmp_path / "environment").exists()
