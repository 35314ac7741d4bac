"""Scripts in the ways that Prefect documents, in which only the import differs."""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.client import Client

SERVE = """
from towpath import flow

@flow(log_prints=True)
def greet(name: str = "world", goodbye: bool = False):
    print(f"hello {name}")

if __name__ == "__main__":
    greet.serve(name="first", tags=["onboarding"], parameters={"name": "me"}, interval=60)
"""
SEVERAL = """
from datetime import timedelta
from towpath import flow, serve
from towpath.schedules import Cron, Interval

@flow
def slow(seconds: int = 60): ...

@flow
def fast(): ...

if __name__ == "__main__":
    slow_deploy = slow.to_deployment(name="sleeper", interval=45, description="Sleeps", version="1")
    fast_deploy = fast.to_deployment(
        name="fast",
        schedules=[
            Interval(timedelta(minutes=10), timezone="America/Chicago"),
            Cron("0 0 * * *", timezone="America/Chicago", slug="chicago-midnight"),
        ],
        paused=True,
    )
    serve(slow_deploy, fast_deploy, limit=3, pause_on_shutdown=False)
"""
DEPLOY = """
from towpath import deploy, flow
from towpath.deployments import run_deployment

@flow
def buy(item: str = "bread"): ...

if __name__ == "__main__":
    buy.deploy(
        name="code-baked",
        work_pool_name="local",
        image="registry.example.org/flows/buy:dev",
        push=False,
        cron="* 8 * * *",
        job_variables={"env": {"EXTRA": "scipy"}},
    )
    deploy(buy.to_deployment(name="other"), work_pool_name="local")
    flow_run = run_deployment(name="buy/code-baked", parameters={"item": "milk"}, timeout=0)
    print(flow_run.id, flow_run.state)
"""


def address(_: object) -> str:
    return "127.0.0.1:4200"


def run_script(folder: Path, text: str) -> None:
    script = folder / "script.py"
    script.write_text(text, "utf-8")
    runpy.run_path(str(script), run_name="__main__")


@pytest.fixture(autouse=True)
def as_a_script(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[dict[str, Any]]:
    """Has scripts find themselves as `__main__`, and serve by a worker that only notes."""
    served: list[dict[str, Any]] = []

    def run_worker(_: Any, **given: Any) -> None:
        served.append(given)

    def entrypoint(deployed: Any, _: Path) -> str:
        return f"script.py:{deployed.fn.__name__}"

    monkeypatch.setattr("towpath._work.serving.run_worker", run_worker)
    monkeypatch.setattr("towpath._deploy.serving.server_address", address)
    monkeypatch.setattr("towpath._deploy.specs.entrypoint_of", entrypoint)
    monkeypatch.setattr(sys, "argv", ["script.py"])
    return served


def test_a_flow_serves_itself(
    client: Client, tmp_path: Path, as_a_script: list[dict[str, Any]]
) -> None:
    run_script(tmp_path, SERVE)
    made = client.deployments.get("greet/first")
    assert (made.spec.tags, made.spec.parameters) == (("onboarding",), {"name": "me"})
    assert len(made.schedules) == 1
    assert as_a_script[0]["pool"] == "served"


def test_several_flows_are_served(
    client: Client, tmp_path: Path, as_a_script: list[dict[str, Any]]
) -> None:
    run_script(tmp_path, SEVERAL)
    slow, fast = (client.deployments.get(name) for name in ("slow/sleeper", "fast/fast"))
    assert (slow.spec.description, slow.spec.code_version) == ("Sleeps", "1")
    assert fast.paused
    assert "chicago-midnight" in {each.id for each in fast.schedules}
    assert as_a_script[0]["limit"] == 3


def test_a_flow_is_deployed_to_a_pool_and_run(
    client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(UserWarning, match="image is ignored"):
        run_script(tmp_path, DEPLOY)
    made = client.deployments.get("buy/code-baked")
    assert made.spec.job_overrides == {"env": {"EXTRA": "scipy"}}
    assert client.deployments.get("buy/other").spec.pool == "local"
    assert capsys.readouterr().out.endswith("SCHEDULED\n")
