"""The places from which workers load flows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from towpath import flow
from towpath._definitions.code_sources import LocalCode
from towpath._deploy.describe import describe
from towpath._deploy.entrypoints import entrypoint_of
from towpath.exceptions import DefinitionError

from tests.unit.sdk.deploy import sample_flows

if TYPE_CHECKING:
    from towpath import Flow

ROOT = Path(__file__).resolve().parents[4]
HERE = "tests/unit/sdk/deploy/sample_flows.py"


def place_of(flow: Any, root: Path) -> str:
    return entrypoint_of(flow, root)


def test_a_flow_of_the_project_has_the_path_of_its_file() -> None:
    assert place_of(sample_flows.hello, ROOT) == f"{HERE}:hello"


def test_a_flow_of_a_class_has_its_qualified_name() -> None:
    assert place_of(sample_flows.Jobs.clean, ROOT) == f"{HERE}:Jobs.clean"


def test_a_copy_with_other_options_has_the_name_that_it_was_given() -> None:
    assert place_of(sample_flows.another_name, ROOT) == f"{HERE}:another_name"


def test_a_flow_of_another_folder_has_the_name_of_its_module(tmp_path: Path) -> None:
    module = sample_flows.__name__
    assert place_of(sample_flows.hello, tmp_path) == f"{module}:hello"


def test_a_flow_that_no_name_stands_for_is_refused() -> None:
    @flow
    def local() -> None:
        """Is in no module."""

    for nameless in (local, sample_flows.hello.with_options(name="x")):
        with pytest.raises(DefinitionError, match="no name of a module stands for it"):
            place_of(nameless, ROOT)


def test_a_flow_from_a_source_keeps_its_place_there() -> None:
    loaded: Flow[..., object] = sample_flows.hello.with_options()
    loaded.code, loaded.entrypoint = LocalCode(path="/opt/flows"), "etl.py:etl"
    copied = loaded.with_options(retries=3)
    assert place_of(copied, ROOT) == "etl.py:etl"
    assert copied.code == LocalCode(path="/opt/flows")


SCRIPT = """
from pathlib import Path
from towpath import flow
from towpath._deploy.entrypoints import entrypoint_of

@flow
def etl() -> None: ...

if __name__ == "__main__":
    print(entrypoint_of(etl, Path.cwd()), entrypoint_of(etl, Path.cwd() / "elsewhere"))
"""


def test_a_flow_of_a_script_has_the_path_of_the_script(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    script = tmp_path / "jobs" / "etl.py"
    script.write_text(SCRIPT, "utf-8")
    ended = subprocess.run(
        [sys.executable, "jobs/etl.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == ["jobs/etl.py:etl", f"{script}:etl"]


def test_a_flow_is_described_in_a_process_of_its_own(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom towpath import flow\nprint('noise', os.getpid())\n"
        "sys.path.append('changed')\n"
        "@flow(name='My flow', tags=['b', 'a'])\ndef etl(day: str, n: int = 3): 'Loads.'\n"
        "if __name__ == '__main__':\n    raise SystemExit(3)\n"
    )
    (tmp_path / "etl.py").write_text(code, "utf-8")
    found = describe("etl.py:etl", tmp_path)
    assert (found.name, found.description, found.tags) == ("My flow", "Loads.", ("a", "b"))
    assert found.schema["required"] == ["day"]
    assert "changed" not in sys.path
    assert "etl" not in sys.modules


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1\ny = (\n", r"etl\.py:2: SyntaxError"),
        ("import json\nimport no_such_module\n", r"etl\.py:2: ModuleNotFoundError"),
        ("import os\nos._exit(9)\n", r"the process that loads it ended with 9"),
    ],
)
def test_code_that_cannot_be_loaded_is_named_by_file_and_line(
    tmp_path: Path, code: str, problem: str
) -> None:
    (tmp_path / "etl.py").write_text(code, "utf-8")
    with pytest.raises(DefinitionError, match=problem):
        describe("etl.py:etl", tmp_path)


def test_code_that_does_not_come_to_an_end_is_left(tmp_path: Path) -> None:
    (tmp_path / "etl.py").write_text("import threading\nthreading.Event().wait()\n", "utf-8")
    with pytest.raises(DefinitionError, match="has not been loaded after"):
        describe("etl.py:etl", tmp_path, seconds=0.2)
