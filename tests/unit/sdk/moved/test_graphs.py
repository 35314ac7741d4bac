"""Flows looked at without running them: their graph, their parameters, and where they are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from towpath import Flow, flow, task
from towpath.exceptions import DefinitionError, TowpathError
from towpath.flows import load_flow_from_entrypoint

from tests.unit.sdk.moved import moves

if TYPE_CHECKING:
    from pathlib import Path

    from towpath.testing import Harness


@task
def fetch(page: int) -> list[int]:
    raise AssertionError(page)


@task(viz_return_value=[1, 2])
def pages() -> list[int]:
    raise AssertionError


@task
def total(*parts: Any) -> int:
    raise AssertionError(parts)


@task
async def later(value: Any) -> int:
    raise AssertionError(value)


@flow
def below(value: Any) -> int:
    raise AssertionError(value)


@moves("viz_return_value")
def test_a_flow_is_drawn_without_running_a_task(recorded: Harness) -> None:
    @flow
    async def drawn(first: int) -> Any:
        parts = [fetch.submit(first), *(fetch(page) for page in pages())]
        mapped = fetch.map(parts)
        awaited = await later({"x": mapped})
        return below(total(parts, awaited, wait_for=[mapped]).result())

    assert drawn.visualize(1).splitlines() == [
        "graph TD",
        '    n0["fetch[0]"]',
        '    n1["pages"]',
        '    n2["fetch[1]"]',
        '    n3["fetch[2]"]',
        '    n4["fetch[3]"]',
        '    n5["later"]',
        '    n6["total"]',
        '    n7["below"]',
        *(f"    n{node} --> n4" for node in (0, 2, 3)),
        "    n4 --> n5",
        *(f"    n{node} --> n6" for node in (0, 2, 3, 5, 4)),
        "    n6 --> n7",
    ]
    assert recorded.runs == []


@pytest.mark.parametrize("use", [list, lambda x: x + 1, lambda x: x["a"], lambda x: 1 if x else 2])
def test_a_flow_whose_code_needs_a_result_cant_be_drawn(use: Any) -> None:
    with pytest.raises((TowpathError, TypeError)):
        flow(lambda: use(fetch(1)), name="f").visualize()


@moves("Flow.serialize_parameters", "Flow.validate_parameters")
def test_parameters_are_checked_and_written_as_json() -> None:
    @flow
    def run(number: int, names: set[str] | None = None) -> None:
        del number, names

    assert run.validate_parameters({"number": "5"}) == {"number": 5}
    written = run.serialize_parameters({"number": 5, "names": {"a"}, "other": object()})
    assert written == {"number": 5, "names": ["a"], "other": "<object>"}
    assert run.parameter_openapi_schema["required"] == ["number"]


@moves("Flow.ato_deployment", "Flow.adeploy", "Flow.afrom_source")
def test_deployments_have_async_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def deploy(*arguments: Any, **options: Any) -> str:
        given.append((arguments[1:], options))
        return "below/nightly"

    def load(*arguments: Any) -> str:
        given.append(arguments[1:])
        return "loaded"

    async def run() -> list[Any]:
        made = await below.ato_deployment("nightly", tags=["a"])
        deployed = await below.adeploy("nightly", "pool", tags=["b"])
        return [made.full_name, deployed, await Flow.afrom_source("folder", "f.py:f")]

    monkeypatch.setattr(Flow, "deploy", deploy)
    monkeypatch.setattr(Flow, "from_source", classmethod(load))
    assert asyncio.run(run()) == ["below/nightly", "below/nightly", "loaded"]
    assert given == [(("nightly", "pool"), {"tags": ["b"]}), ("folder", "f.py:f")]


@moves("flows.load_flow_from_entrypoint")
def test_a_flow_is_loaded_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "flows_of_this_test.py"
    file.write_text("from towpath import flow\n\n@flow\ndef here():\n    return 5\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert load_flow_from_entrypoint(f"{file.name}:here")() == 5
    assert load_flow_from_entrypoint("flows_of_this_test.here")() == 5
    with pytest.raises(DefinitionError, match="no"):
        load_flow_from_entrypoint(f"{file.name}:gone")
