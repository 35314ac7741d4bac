"""The same deployments on Towpath and on Prefect 3, each with its own server and process worker."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.benchmarks.compared.prefect_environment import prefect_python
from tests.benchmarks.compared.sides import Prefect
from tests.benchmarks.work import times
from tests.benchmarks.work.places import percentiles

SCRIPT: Final = Path(__file__).with_name("in_prefect.py")


def measure(environment: Path | None, size: int, runs: int, limit: int) -> None:
    """Measures both on SQLite, one after the other.

    Args:
        environment: Prefect's virtual environment; one in the user's cache if not given.
        size: Runs from trigger to first line, one after the other.
        runs: Runs that do nothing, triggered at once.
        limit: Most processes at a time.
    """
    prefect = Prefect(python=prefect_python(environment))
    print("Towpath:")
    times.measure_trigger("sqlite", size)
    times.measure_many("sqlite", runs, limit)
    print("Prefect, with its default settings:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        project.mkdir()
        (project / "told.py").write_text(times.FLOWS.replace("from towpath", "from prefect"))
        script = shutil.copy(SCRIPT, folder)
        with prefect.running(Path(folder) / "home") as running:
            printed = subprocess.check_output(
                [prefect.python, script, str(size), str(runs), str(limit)],
                env=running.environment,
                cwd=project,
                text=True,
            )
    found = json.loads(printed.splitlines()[-1])
    print(f"trigger to first line, {size} runs: {percentiles(found['first_line_ms'])}")
    print(
        f"{runs} runs of a no-op deployment, {limit} at a time: from the first trigger to the last"
        f" end {found['seconds']:.1f} s, {runs / found['seconds']:.1f} runs/s"
    )
