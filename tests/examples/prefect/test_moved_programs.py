"""Programs that run under Towpath and under Prefect, by the name in their imports alone.

They run under Towpath always. `TOWPATH_TEST_PREFECT=/path/to/python pytest ...` also runs them
with a Python that has Prefect installed; both have to print what stands in the file beside them.
"""

from __future__ import annotations

import os
import re
import runpy
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from towpath.testing import Harness

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))
OTHER = os.environ.get("TOWPATH_TEST_PREFECT", "")
PATIENCE = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "200"}


def expected(program: Path) -> str:
    return program.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_runs_under_towpath(
    program: Path, towpath_harness: Harness, capsys: pytest.CaptureFixture[str]
) -> None:
    runpy.run_path(str(program), run_name="__main__")
    assert capsys.readouterr().out == expected(program)
    assert towpath_harness.runs


if OTHER:

    @pytest.mark.timeout(300)
    @pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
    def test_a_program_runs_under_prefect(program: Path, tmp_path: Path) -> None:
        script = tmp_path / program.name
        text = re.sub(r"(?m)^from towpath", "from prefect", program.read_text(encoding="utf-8"))
        script.write_text(text, encoding="utf-8")
        ended = subprocess.run(
            [OTHER, str(script)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PREFECT_HOME": str(tmp_path / "home"), **PATIENCE},
        )
        assert ended.stdout == expected(program), ended.stderr[-3000:]
