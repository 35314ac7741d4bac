"""`towpath deploy`, `init`, `deployment run` and `schedule create`."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from towpath._definitions.code_sources import LocalCode
from towpath._deploy.describe import FlowDescription, describe
from towpath.cli.shared.errors import ending
from towpath.cli.work.create_schedule import create
from towpath.cli.work.deploy import deploy, init
from towpath.cli.work.run_deployment import run_deployment
from towpath.exceptions import DefinitionError, InvalidRequest, NotFound
from towpath.schedules import Cron

from tests.examples.places import EXAMPLES
from tests.unit.sdk.deploy.sample_flows import hello

if TYPE_CHECKING:
    import click
    from towpath.client import Client

SCHEMA = {
    "properties": {"day": {"type": "string"}, "n": {"type": "integer", "default": 3}},
    "required": ["day"],
    "additionalProperties": False,
}
ETL = FlowDescription(
    name="etl",
    id="etl",
    description="Loads.",
    tags=("etl",),
    code_version="1",
    schema=SCHEMA,
    sensitive=(),
)


@pytest.fixture(autouse=True)
def described(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """Has each entrypoint be of the same flow, without a process that loads it."""
    asked: list[tuple[str, Path]] = []

    def described_at_once(entrypoint: str, directory: Path) -> FlowDescription:
        asked.append((entrypoint, directory))
        return ETL

    monkeypatch.setattr("towpath._deploy.plans.describe", described_at_once)
    return asked


def run(command: click.Command, *words: str) -> Any:
    return CliRunner().invoke(command, words, catch_exceptions=False)


def refused(command: click.Command, *words: str) -> str:
    """The message of a command that ends with 2."""
    ended = CliRunner().invoke(command, words)
    if ended.exit_code == 2:
        return ended.output
    assert isinstance(ended.exception, Exception), ended.output
    found = ending(ended.exception)
    assert found.exit_code == 2
    return found.message


def test_an_entrypoint_is_deployed_and_its_outcome_is_told(client: Client) -> None:
    words = ("etl.py:etl", "-n", "nightly", "--pool", "local", "--cron", "0 2 1 1 *")
    zone = ("--timezone", "Europe/London", "--overlap", "skip", "-p", "day=2026-12-01")
    ended = run(deploy, *words, *zone, "--tag", "x", "--limit", "2")
    assert ended.stdout.startswith("etl/nightly   created, revision 1   next: ")
    assert "1 Jan 02:00 GMT (02:00 UTC), " in ended.stdout
    again = run(deploy, *words, *zone, "--tag", "x", "--limit", "2")
    assert again.stdout.startswith("etl/nightly   unchanged, revision 1")
    made = client.deployments.get("etl/nightly")
    assert (made.spec.tags, made.spec.concurrency_limit) == (("etl", "x"), 2)
    assert made.spec.parameters == {"day": "2026-12-01"}
    assert made.spec.parameter_schema == SCHEMA
    assert made.schedules[0].schedule.overlap == "skip"


def test_arguments_have_the_types_of_the_schema(client: Client) -> None:
    run(deploy, "etl.py:etl", "-n", "x", "--pool", "local", "-p", "day=5", "-p", "n=5")
    assert client.deployments.get("etl/x").spec.parameters == {"day": "5", "n": 5}


def test_json_output_has_the_outcome(client: Client) -> None:
    ended = run(deploy, "etl.py:etl", "-n", "x", "--pool", "local", "-o", "json")
    [shown] = json.loads(ended.stdout)
    assert (shown["id"], shown["outcome"], shown["revision"]) == ("etl/x", "created", 1)


def test_without_check_no_code_is_loaded(client: Client, described: list[tuple[str, Path]]) -> None:
    words = ("--pool", "local", "--no-check", "-p", "n=5", "-p", "s=a b")
    run(deploy, "pipelines.etl:load_all", "-n", "x", *words)
    made = client.deployments.get("load-all/x")
    assert (made.spec.flow_name, made.spec.parameters) == ("load_all", {"n": 5, "s": "a b"})
    assert described == []
    run(deploy, "pipelines.etl:load_all", "-n", "x", "--flow", "My flow", *words)
    assert {each.spec.flow_name for each in client.deployments.list()} == {"load_all", "My flow"}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("etl.py:etl",), "give the deployment a name"),
        (("etl.py:etl", "-n", "x"), "give --pool, or set deploy.pool"),
        (("etl.py:etl", "-n", "x", "--pool", "local", "-p", "day"), "NAME=VALUE, not 'day'"),
        (("etl.py:etl", "-n", "x", "--pool", "local", "-p", "dya=1"), "has no parameter 'dya'"),
        (("etl.py:etl", "-n", "x", "--pool", "local", "-p", "n=1", "-p", "n=2"), "gives n twice"),
        (("etl.py:etl", "-n", "x", "--pool", "local", "--cron", "@daily"), "a value for day"),
        (("etl.py:etl", "-n", "x", "--timezone", "UTC"), "--timezone needs one of --cron"),
        (("etl.py:etl", "-n", "x", "--cron", "@daily", "--interval", "5m"), "only one of --cron"),
        (("etl.py:etl", "-n", "x", "--all"), "can't be given together"),
        (("-n", "x"), "this folder has no project file, which `towpath init` would write"),
        (("etl.py", "-n", "x", "--pool", "local", "--no-check"), "names no flow"),
    ],
)
def test_wrong_usage_ends_with_2(words: tuple[str, ...], problem: str) -> None:
    assert problem in " ".join(refused(deploy, *words).split())


def test_a_rule_that_the_service_refuses_ends_with_2(client: Client) -> None:
    words = ("etl.py:etl", "-n", "x", "--pool", "local", "-p", "day=1")
    assert "cron" in refused(deploy, *words, "--cron", "60 * * * *")
    assert "time_zone" in refused(deploy, *words, "--cron", "@daily", "--timezone", "Mars/Base")


def test_a_pool_that_is_not_there_is_named_with_the_command_that_makes_it() -> None:
    with pytest.raises(NotFound, match="`towpath pool create nowhere`"):
        run(deploy, "etl.py:etl", "-n", "x", "--pool", "nowhere")


FILE = """\
work_pool: {name: local}
deployments:
- {name: a, entrypoint: flows/etl.py:etl, parameters: {day: x}}
- {name: b, entrypoint: flows/etl.py:etl, schedules: [{cron: '@daily'}]}
"""


def test_the_project_file_is_deployed_by_name_or_as_a_whole(
    client: Client, tmp_path: Path, described: list[tuple[str, Path]]
) -> None:
    (tmp_path / "prefect.yaml").write_text(FILE, "utf-8")
    assert "choose by --name or --all" in refused(deploy)
    assert "no deployment named 'c'" in refused(deploy, "-n", "c")
    assert run(deploy, "-n", "etl/a").stdout.startswith("etl/a   created")
    assert described == [("flows/etl.py:etl", tmp_path)]
    problem = refused(deploy, "--all")
    assert problem.startswith(f"{tmp_path / 'prefect.yaml'}:4: flow 'etl' needs a value for day")
    given = run(deploy, "--all", "-p", "day=y", "--description", "both")
    assert [line.split("   ")[1] for line in given.stdout.splitlines()] == [
        "updated, revision 2",
        "created, revision 1",
    ]
    assert client.deployments.get("etl/a").spec.parameters == {"day": "y"}
    assert client.deployments.get("etl/b").schedules[0].schedule.active


def test_a_file_elsewhere_is_of_a_project_elsewhere(
    client: Client, tmp_path: Path, described: list[tuple[str, Path]]
) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "flows.yaml").write_text(FILE, "utf-8")
    run(deploy, "--file", "p/flows.yaml", "-n", "a")
    assert described == [("flows/etl.py:etl", tmp_path / "p")]


def test_the_example_is_deployed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("towpath._deploy.plans.describe", describe)
    ended = run(deploy, "--file", str(EXAMPLES / "towpath.yaml"))
    assert ended.stdout.startswith("report/lima   created, revision 1   next: ")
    made = client.deployments.get("report/lima")
    assert made.spec.code == LocalCode(path=str(EXAMPLES))
    assert made.spec.parameter_schema["properties"]["city"]["default"] == "Oslo"


def test_init_writes_a_file_once(tmp_path: Path) -> None:
    assert "fill it in" in run(init).stderr
    assert "deployments:" in Path("towpath.yaml").read_text("utf-8")
    Path("towpath.yaml").write_text("mine", "utf-8")
    assert "is there already" in refused(init)
    assert Path("towpath.yaml").read_text("utf-8") == "mine"
    run(init, "--force")
    assert Path("towpath.yaml").read_text("utf-8") != "mine"


@pytest.fixture
def nightly(client: Client) -> None:
    run(deploy, "etl.py:etl", "-n", "nightly", "--pool", "local")


@pytest.mark.usefixtures("nightly")
def test_a_run_is_created_with_typed_arguments(client: Client) -> None:
    words = ("etl/nightly", "-p", "day=5", "-p", "n=5", "--name", "mine", "--tag", "x")
    ended = run(run_deployment, *words, "--at", "2030-01-01T02:00Z", "-o", "json")
    shown = json.loads(ended.stdout)
    found = next(run for run in client.runs(full=True) if run.name == "mine")
    assert shown["run_id" if "run_id" in shown else "id"] == found.id
    assert json.loads(found.parameters) == {"day": "5", "n": 5}
    assert set(found.tags) == {"etl", "x"}
    line = run(run_deployment, "etl/nightly", "-p", "day=5").stdout
    assert "SCHEDULED" in line


@pytest.mark.usefixtures("nightly")
def test_a_run_is_watched_to_its_end(client: Client) -> None:
    def cancel() -> None:
        for event in client.watch_runs():
            if event.run is not None and event.run.name == "watched":
                client.cancel(event.run_id)
                return

    thread = threading.Thread(target=cancel)
    thread.start()
    words = ("etl/nightly", "-p", "day=5", "--name", "watched", "--watch")
    ended = CliRunner().invoke(run_deployment, words)
    thread.join()
    assert ended.exit_code == 7
    assert "CANCELLED" in ended.stdout.splitlines()[-1]


@pytest.mark.usefixtures("nightly")
def test_wrong_runs_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="'day' is a required property"):
        run(run_deployment, "etl/nightly")
    with pytest.raises(NotFound):
        run(run_deployment, "etl/nope")
    assert "is no time such as" in refused(run_deployment, "etl/nightly", "--at", "soon")
    assert "must be a name such as" in refused(run_deployment, "etl")


@pytest.mark.usefixtures("nightly")
def test_a_schedule_is_created_with_the_slug_of_its_rule(client: Client) -> None:
    words = ("etl/nightly", "--interval", "5m", "-p", "day=5")
    assert run(create, *words).stdout.startswith("etl/nightly/every-34172b1c   created   next: ")
    run(create, "etl/nightly", "--cron", "@daily", "--slug", "daily", "-p", "day=6")
    schedule = client.schedules.get("etl/nightly", "daily").schedule
    assert schedule == Cron("@daily", slug="daily", parameters={"day": "6"})
    assert "give one of --cron" in refused(create, "etl/nightly")


def test_code_that_cannot_be_loaded_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("towpath._deploy.plans.describe", describe)
    (tmp_path / "etl.py").write_text("x = 1\nimport no_such_module\n", "utf-8")
    problem = refused(deploy, "etl.py:etl", "-n", "x", "--pool", "local")
    assert problem.startswith(f"{tmp_path / 'etl.py'}:2: ModuleNotFoundError")


def test_a_deployment_of_code_can_be_run_by_command(client: Client) -> None:
    hello.deploy("x", work_pool_name="local")
    with pytest.raises(DefinitionError):
        hello.to_deployment("a/b")
    assert "SCHEDULED" in run(run_deployment, "hello/x", "-p", "name=5").stdout
