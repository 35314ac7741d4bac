from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.commands import towpath

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("cli", "settings")


def sources(home: Path, **settings: str) -> dict[str, tuple[object, str]]:
    result = towpath(home, "config", "view", "-o", "json", **settings)
    assert result.returncode == 0, result.stderr
    return {item["name"]: (item["value"], item["source"]) for item in json.loads(result.stdout)}


def test_a_setting_is_kept_shown_with_its_source_and_taken_out_again(tmp_path: Path) -> None:
    kept = towpath(tmp_path, "config", "set", "server.require", "yes")
    assert kept.returncode == 0, kept.stderr
    assert "server.require = true in profile default" in kept.stderr
    place = f"profile: {tmp_path}/config.toml, profile default"
    assert sources(tmp_path)["server.require"] == (True, place)
    shown = towpath(tmp_path, "config", "view", "--show-sources").stdout
    assert re.search(r"^server\.require +true +profile: ", shown, re.MULTILINE)
    assert towpath(tmp_path, "config", "unset", "server.require").returncode == 0
    assert sources(tmp_path)["server.require"] == (False, "default")


@pytest.mark.parametrize(
    "name",
    [
        "server.ca_file",
        "server.client_cert",
        "server.client_key",
        "server.api_key_file",
        "server.token_file",
    ],
)
def test_a_file_is_kept_by_its_whole_path(tmp_path: Path, name: str) -> None:
    kept = towpath(tmp_path, "config", "set", name, "tls.pem")
    assert kept.returncode == 0, kept.stderr
    assert sources(tmp_path)[name][0] == str(tmp_path / "tls.pem")


def test_all_that_is_kept_lies_in_the_home(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    home.mkdir()
    towpath(home, "config", "set", "display", "quiet", HOME=str(elsewhere), XDG_CONFIG_HOME="")
    assert [path.name for path in home.iterdir()] == ["config.toml"]
    assert not elsewhere.exists()


def test_profiles_keep_places_apart(tmp_path: Path) -> None:
    assert towpath(tmp_path, "profile", "create", "work", "--use").returncode == 0
    towpath(tmp_path, "config", "set", "server.address", "127.0.0.1:4200")
    towpath(tmp_path, "config", "set", "display", "quiet", "--profile", "default")
    assert sources(tmp_path)["server.address"][0] == "127.0.0.1:4200"
    assert sources(tmp_path)["display"][0] == "auto"
    assert sources(tmp_path, TOWPATH_PROFILE="default")["display"][0] == "quiet"
    flagged = towpath(tmp_path, "--profile", "default", "config", "view", "-o", "json")
    assert json.loads(flagged.stdout)[1]["value"] == ""
    listing = json.loads(towpath(tmp_path, "profile", "ls", "-o", "json").stdout)
    assert [(item["name"], item["in_use"]) for item in listing] == [
        ("default", False),
        ("work", True),
    ]
    assert towpath(tmp_path, "profile", "use", "default").returncode == 0
    assert towpath(tmp_path, "profile", "ls").stdout.splitlines()[1].startswith("*  default")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("config", "set", "server.adress", "x"), 2, "did you mean 'server.address'?"),
        (("config", "set", "display", "loud"), 2, "one of auto, live, plain, quiet"),
        (("config", "set", "home", "/tmp"), 2, "can only be set by TOWPATH_HOME"),
        (("config", "unset", "dsplay"), 2, "did you mean 'display'?"),
        (
            ("config", "set", "display", "live", "--profile", "nope"),
            2,
            "towpath profile create nope",
        ),
        (("profile", "use", "nope"), 2, "towpath profile create nope"),
        (("profile", "create", "No Way"), 2, "can't be a profile's name"),
        (("--profile", "nope", "config", "view"), 2, "there is no profile 'nope'"),
        (("--server", "nowhere", "run", "ls"), 2, "must be host:port"),
    ],
)
def test_a_mistake_is_answered_with_what_would_be_right(
    tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = towpath(tmp_path, *arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert says in result.stderr
    assert not (tmp_path / "config.toml").exists()


def test_a_profile_is_not_made_twice(tmp_path: Path) -> None:
    assert towpath(tmp_path, "profile", "create", "work").returncode == 0
    assert towpath(tmp_path, "profile", "create", "work").returncode == 5


def test_a_value_that_something_above_it_hides_is_told(tmp_path: Path) -> None:
    result = towpath(tmp_path, "config", "set", "display", "quiet", TOWPATH_DISPLAY="plain")
    assert "TOWPATH_DISPLAY sets plain, which overrides it" in result.stderr


def test_validating_lists_all_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        "[profiles.default]\ndisplay = 'x'\n[profiles.other]\nlog.lvel = 'INFO'\n"
    )
    (tmp_path / "towpath.toml").write_text("server.address = 'evil.example.com:4200'\n")
    result = towpath(tmp_path, "config", "validate", TOWPATH_DISPLY="x")
    assert result.returncode == 2
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    for part in ("display is 'x'", "'log.level'", "a project may not set", "TOWPATH_DISPLAY"):
        assert any(part in line for line in lines)
    assert "4 problems found" in result.stderr
    assert towpath(tmp_path, "config", "validate", "towpath.toml").returncode == 2
    assert "did you mean" in towpath(tmp_path, "run", "ls", TOWPATH_DISPLY="x").stderr


def test_a_broken_file_is_not_written_over_and_can_be_mended(tmp_path: Path) -> None:
    broken = "[profiles.default]\ndsplay = 'live'\n"
    (tmp_path / "config.toml").write_text(broken)
    refused = towpath(tmp_path, "config", "set", "display", "live")
    assert refused.returncode == 2
    assert (tmp_path / "config.toml").read_text() == broken
    assert "problem:" in towpath(tmp_path, "config", "view").stderr
    assert towpath(tmp_path, "config", "unset", "dsplay").returncode == 0
    assert towpath(tmp_path, "config", "validate").returncode == 0
