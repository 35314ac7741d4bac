"""The unit of a worker for systemd, and the guide that shows it."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from towpath._settings.declared import Settings
from towpath.cli.work.worker_start import start

from tests.examples.places import EXAMPLES
from tests.scenarios.guides import GUIDES

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.subject("work")

UNIT = (EXAMPLES / "towpath-worker.service").read_text(encoding="utf-8")


class _Unit(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr  # The case counts.


@pytest.fixture(scope="module")
def service() -> Mapping[str, str]:
    """The keys of the section [Service] that stand there once."""
    parser = _Unit(strict=False, interpolation=None, delimiters="=")
    parser.read_string(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]
    return parser["Service"]


def test_the_guide_shows_the_unit() -> None:
    page = (GUIDES / "self-hosting.md").read_text(encoding="utf-8")
    assert re.findall(r"```ini\n(.*?)```", page, re.DOTALL) == [UNIT]
    reasons = re.findall(r"^\| `(\w+=[^`]*)`", page, re.MULTILINE)
    assert reasons
    for line in reasons:
        assert line in UNIT.splitlines()


def test_a_restart_of_the_worker_does_not_end_its_runs(service: Mapping[str, str]) -> None:
    assert service["KillMode"] == "process"
    program, worker, verb, *options = shlex.split(service["ExecStart"])
    assert (Path(program).name, worker, verb) == ("towpath", "worker", "start")
    context = start.make_context("start", options)
    assert context.params["grace"] < int(service["TimeoutStopSec"])


def test_its_variables_are_settings() -> None:
    names = re.findall(r"^Environment=(\w+)=", UNIT, re.MULTILINE)
    assert names
    known = {field.name for field in fields(Settings)}
    assert {name.removeprefix("TOWPATH_").lower() for name in names} <= known


def test_systemd_has_nothing_to_say_about_it(tmp_path: Path) -> None:
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        return  # A machine without systemd: the tests above read the unit.
    unit = tmp_path / "towpath-worker.service"
    unit.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={sys.executable}", UNIT))
    checked = subprocess.run(
        [verifier, "verify", unit], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
