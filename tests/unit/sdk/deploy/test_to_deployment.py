"""`flow.to_deployment` and the deployments that it makes."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow
from towpath._definitions.code_sources import GitCode, LocalCode
from towpath._deploy.sources import code_of, flow_from_source
from towpath._deploy.specs import spec_of
from towpath.exceptions import DefinitionError
from towpath.schedules import Cron, Interval, RRule

from tests.unit.sdk.deploy.sample_flows import hello, load, send

if TYPE_CHECKING:
    from towpath.deployments import RunnerDeployment

ROOT = Path(__file__).resolve().parents[4]


def test_a_deployment_has_the_options_of_its_flow_and_its_own() -> None:
    made = load.to_deployment(
        "nightly",
        parameters={"day": "2026-12-01"},
        tags=["mine"],
        work_pool_name="local",
        work_queue_name="urgent",
        job_variables={"env": {"A": "1"}},
        concurrency_limit=2,
        collision_strategy="cancel_new",
        timeout=60,
    )
    spec = spec_of(made, ROOT)
    assert made.full_name == "load/nightly"
    assert (spec.flow_name, spec.pool, spec.queue) == ("load", "local", "urgent")
    assert (spec.tags, spec.code_version) == (("etl", "mine"), "7")
    assert (spec.concurrency_limit, spec.collision_strategy) == (2, "cancel_new")
    assert (spec.parameters, spec.job_overrides) == ({"day": "2026-12-01"}, {"env": {"A": "1"}})
    assert (spec.timeout, spec.paused) == (timedelta(minutes=1), None)
    assert spec.code == LocalCode(path=str(ROOT))
    assert spec.enforce_parameter_schema
    assert spec.description.startswith("Loads a day.")


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ({"cron": "0 2 * * *"}, [Cron("0 2 * * *")]),
        ({"cron": ["0 2 * * *", "0 3 * * *"]}, [Cron("0 2 * * *"), Cron("0 3 * * *")]),
        ({"interval": 60}, [Interval(60)]),
        ({"interval": timedelta(hours=1)}, [Interval(3600)]),
        ({"rrule": "FREQ=DAILY", "cron": "@daily"}, [Cron("@daily"), RRule("FREQ=DAILY")]),
        ({"schedule": Cron("@daily")}, [Cron("@daily")]),
        ({"schedules": [Cron("@daily"), Interval(5)]}, [Cron("@daily"), Interval(5)]),
        ({"schedules": []}, []),
    ],
)
def test_schedules_are_given_in_prefects_ways(options: Any, rules: list[Any]) -> None:
    made: RunnerDeployment = hello.to_deployment("x", **options)
    assert made.schedules is not None
    assert [*made.schedules.values()] == rules


def test_without_schedules_those_that_are_there_stay() -> None:
    assert hello.to_deployment("x").schedules is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"cron": "@daily", "schedules": [Interval(5)]}, "in one way"),
        ({"cron": "* * * * * *"}, "seconds, which are not supported"),
        ({"schedules": ["@daily"]}, "schedules are Cron, Interval or RRule"),
        ({"concurency_limit": 1}, "did you mean 'concurrency_limit'"),
        ({"concurrency_limit": 0}, "at least 1, not 0"),
        ({"parameters": {"x": object()}}, "JSON by name"),
        ({"parameters": {"x": float("nan")}}, "JSON by name"),
        ({"triggers": [1]}, "triggers of a deployment are not supported"),
    ],
)
def test_wrong_options_are_refused(options: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        hello.to_deployment("x", **options)


@pytest.mark.parametrize("name", ["", " ", "a/b", None, 3])
def test_wrong_names_are_refused(name: Any) -> None:
    with pytest.raises(DefinitionError, match="name of a deployment"):
        hello.to_deployment(name)


def test_prefects_webserver_is_ignored_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="webserver is ignored: the service answers"):
        hello.to_deployment("x", webserver=True)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"parameters": {"nam": "x"}}, "no parameter 'nam'; its parameters: name"),
        ({"schedules": [Cron("@daily", parameters={"x": 1})]}, "no parameter 'x'"),
        ({"timeout": 0}, "timeout is a timedelta or seconds, above 0"),
    ],
)
def test_arguments_are_checked_before_the_service_is_asked(options: Any, problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        spec_of(hello.to_deployment("x", **options), ROOT)


def test_any_argument_is_taken_by_a_flow_that_takes_any() -> None:
    spec = spec_of(send.to_deployment("x", parameters={"a": 1}), ROOT)
    assert (spec.flow_name, spec.parameters) == ("Sends: mails", {"a": 1})


def test_a_schedule_without_a_required_value_is_refused() -> None:
    with pytest.raises(DefinitionError, match="needs a value for day"):
        spec_of(load.to_deployment("x", cron="@daily"), ROOT)
    given = Cron("@daily", parameters={"day": "2026-12-01"})
    assert spec_of(load.to_deployment("x", schedules=[given]), ROOT).parameters == {}
    spec_of(load.to_deployment("x", cron="@daily", enforce_parameter_schema=False), ROOT)


def test_a_sensitive_argument_is_a_secret_or_is_refused() -> None:
    with pytest.raises(DefinitionError, match="sensitive, and others can read") as refused:
        spec_of(load.to_deployment("x", parameters={"password": "hunter3"}), ROOT)
    assert "hunter3" not in str(refused.value)
    named = {"password": "{{ secrets.db-password }}"}
    assert spec_of(load.to_deployment("x", parameters=named), ROOT).parameters == named


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("https://git.example.org/t/p.git", GitCode(url="https://git.example.org/t/p.git")),
        ("git@git.example.org:t/p.git", GitCode(url="git@git.example.org:t/p.git")),
        ("/opt/flows", LocalCode(path="/opt/flows")),
        (Path("/opt/flows"), LocalCode(path="/opt/flows")),
        (GitCode(url="x", ref="v1"), GitCode(url="x", ref="v1")),
    ],
)
def test_a_source_is_a_repository_or_a_folder(source: Any, code: Any) -> None:
    assert code_of(source) == code


def test_a_flow_from_a_folder_is_deployed_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "from_folder.py").write_text("from towpath import flow\n@flow\ndef etl(): ...\n")
    loaded = flow.from_source(source=str(tmp_path), entrypoint="from_folder.py:etl")
    spec = spec_of(loaded.to_deployment("x"), ROOT)
    assert (spec.code, spec.entrypoint) == (LocalCode(path=str(tmp_path)), "from_folder.py:etl")
    assert loaded() is None
    again = type(hello).from_source(tmp_path, "from_folder.py:etl").to_deployment("x")
    assert spec_of(again, ROOT) == spec


def test_a_flow_that_can_not_be_loaded_from_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    (tmp_path / "another.py").write_text("from towpath import flow\n@flow\ndef etl(): ...\n")
    with pytest.raises(DefinitionError, match="no flow other; flows in it: etl"):
        flow_from_source(tmp_path, "another.py:other")
    with pytest.raises(DefinitionError, match="there is no folder"):
        flow_from_source(tmp_path / "missing", "etl.py:etl")
