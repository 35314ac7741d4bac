"""The contract's check, as `poe contract` runs it, refuses what would break clients."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.packaging.declared import PYPROJECT, ROOT

API = Path("protos/towpath/api/v1")
(COMMAND,) = (
    step["shell"]
    for step in PYPROJECT["tool"]["poe"]["tasks"]["contract"]["sequence"]
    if "buf breaking" in step.get("shell", "")
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "protos", tmp_path / "protos")
    return tmp_path


def change(file: Path, before: str, after: str) -> None:
    written = file.read_text("utf-8")
    assert written.count(before) == 1
    file.write_text(written.replace(before, after), "utf-8")


def check(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND, shell=True, cwd=tree, capture_output=True, text=True, check=False
    )


BREAKING = {
    "a field renumbered": ("common.proto", "string content_type = 1 ", "string content_type = 98 "),
    "a field renamed": ("common.proto", "string content_type = 1 ", "string media_type = 1 "),
    "a field of another type": ("common.proto", "int64 size_bytes = 4 ", "string size_bytes = 4 "),
    "a field removed": ("common.proto", "  bool non_retryable = 4;\n", ""),
    "a value renumbered": ("state.proto", "RUN_STATE_PENDING = 2;", "RUN_STATE_PENDING = 97;"),
    "an rpc renamed": (
        "run_service.proto",
        "  rpc DeleteRun(DeleteRunRequest) returns (DeleteRunResponse) {",
        "  rpc EraseRun(DeleteRunRequest) returns (DeleteRunResponse) {",
    ),
    "a stream made a single answer": (
        "run_service.proto",
        "returns (stream WatchRunsResponse)",
        "returns (WatchRunsResponse)",
    ),
}
ADDED = {
    "a field": (
        "common.proto",
        "  bool non_retryable = 4;\n",
        "  bool non_retryable = 4;\n  bool added = 99;\n",
    ),
    "a value": (
        "state.proto",
        "RUN_STATE_PENDING = 2;",
        "RUN_STATE_PENDING = 2;\n  RUN_STATE_ADDED = 99;",
    ),
}


def test_the_contract_as_it_is_passes(tree: Path) -> None:
    assert check(tree).returncode == 0


@pytest.mark.parametrize("breaking", BREAKING)
def test_what_would_break_clients_is_refused(tree: Path, breaking: str) -> None:
    name, before, after = BREAKING[breaking]
    change(tree / API / name, before, after)
    refused = check(tree)
    assert refused.returncode != 0
    assert f"towpath/api/v1/{name}:" in refused.stdout


@pytest.mark.parametrize("addition", ADDED)
def test_additions_pass(tree: Path, addition: str) -> None:
    name, before, after = ADDED[addition]
    change(tree / API / name, before, after)
    assert check(tree).returncode == 0


def test_without_a_record_nothing_passes(tree: Path) -> None:
    (tree / "protos" / "released.binpb").unlink()
    assert check(tree).returncode != 0
