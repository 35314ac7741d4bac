from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.commands import towpath
from tests.scenarios.servers import environment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("cli")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "inspect", "zzzzzzzz"), 3, "towpath run ls"),
        (("rn",), 2, "Did you mean 'run'"),
        (("run", "ls", "--state", "BROKEN"), 2, "there are SCHEDULED"),
        (("run", "ls", "--since", "yesterday"), 2, "30m, 12h or 7d"),
    ],
)
def test_a_wrong_command_ends_in_one_line_that_says_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = towpath(tmp_path, *arguments)
    assert result.returncode == code
    assert says in result.stderr
    assert "Traceback" not in result.stderr


def test_the_service_module_ends_a_wrong_setting_in_a_message(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "towpath_service", "start", "--port", "0", "--web-port", "0"],
        env=environment(tmp_path, TOWPATH_LOG_LEVEL="NOPE"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 2
    assert "must be one of DEBUG" in result.stderr
    assert "Traceback" not in result.stderr
