"""Deploying from code: `flow.deploy` and `towpath.deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import towpath
from towpath._deploy.naming import by_any_name
from towpath.exceptions import DefinitionError, InvalidRequest, NotFound
from towpath.schedules import Cron

from tests.unit.sdk.deploy.sample_flows import hello, load, send

if TYPE_CHECKING:
    from towpath.client import Client


def test_deploying_again_changes_nothing(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    def deploy(**options: Any) -> str:
        name = hello.deploy("nightly", work_pool_name="local", **options)
        assert name == "hello/nightly"
        return capsys.readouterr().out

    rule = Cron("0 2 1 1 *", timezone="Asia/Tokyo")
    assert deploy(schedules=[rule]).startswith("hello/nightly   created, revision 1   next: ")
    first = client.deployments.get("hello/nightly")
    assert deploy(schedules=[rule]).startswith("hello/nightly   unchanged, revision 1")
    assert deploy().startswith("hello/nightly   unchanged, revision 1   next: ")
    assert client.deployments.get("hello/nightly") == first
    assert deploy(parameters={"name": "you"}).startswith("hello/nightly   updated, revision 2")
    assert "JST (" in deploy(schedules=[rule])
    assert deploy(schedules=[]) == "hello/nightly   updated, revision 3\n"
    assert client.deployments.get("hello/nightly").schedules == ()


def test_a_paused_deployment_stays_paused_when_it_is_deployed_again(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    hello.deploy("nightly", work_pool_name="local", cron="@daily")
    client.deployments.set_paused("hello/nightly", paused=True)
    hello.deploy("nightly", work_pool_name="local", cron="@daily")
    assert client.deployments.get("hello/nightly").paused
    assert capsys.readouterr().out.endswith("   paused\n")


def test_several_are_deployed_and_none_if_one_is_wrong(client: Client) -> None:
    good = hello.to_deployment("a", work_pool_name="local")
    bad = load.to_deployment("b", parameters={"dya": "2026-12-01"})
    with pytest.raises(DefinitionError, match="no parameter 'dya'"):
        towpath.deploy(good, bad, work_pool_name="local")
    assert list(client.deployments.list()) == []
    fine = load.to_deployment("b")
    assert towpath.deploy(good, fine, work_pool_name="local") == ["hello/a", "load/b"]


def test_a_deployment_without_a_pool_takes_the_one_of_the_settings(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DefinitionError, match=r"work_pool_name=, or set deploy\.pool"):
        hello.deploy("x")
    monkeypatch.setenv("TOWPATH_DEPLOY_POOL", "local")
    hello.deploy("x")
    assert client.deployments.get("hello/x").spec.pool == "local"


def test_a_missing_pool_or_queue_is_named_with_the_command_that_makes_it(client: Client) -> None:
    with pytest.raises(NotFound, match="`towpath pool create nowhere`"):
        hello.deploy("x", work_pool_name="nowhere")
    with pytest.raises(NotFound, match="`towpath queue create local/urgent`"):
        hello.deploy("x", work_pool_name="local", work_queue_name="urgent")


def test_a_wrong_rule_is_refused_by_the_service(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="cron"):
        hello.deploy("x", work_pool_name="local", cron="60 * * * *")


def test_unknown_options_of_deploy_are_refused(client: Client) -> None:
    with pytest.raises(DefinitionError, match="did you mean 'work_pool_name'"):
        towpath.deploy(hello.to_deployment("x"), work_pol_name="local")
    towpath.deploy(hello.to_deployment("x"), work_pool_name="local", ignore_warnings=True)


def test_a_deployment_is_found_by_its_names_and_by_its_ids(client: Client) -> None:
    send.deploy("To all", work_pool_name="local")
    [made] = client.deployments.list()
    assert by_any_name("Sends: mails/To all", client.deployments.get).name == made.name
    assert by_any_name(made.name, client.deployments.get).name == made.name
    with pytest.raises(NotFound):
        by_any_name("Sends: mails/other", client.deployments.get)
    with pytest.raises(NotFound):
        by_any_name("hello/other", client.deployments.get)
    with pytest.raises(DefinitionError, match="'flow/deployment', not 'x'"):
        by_any_name("x", client.deployments.get)
