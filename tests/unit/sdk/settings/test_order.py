from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from towpath._settings.current import resolve_settings, use_flags
from towpath.exceptions import ConfigurationError
from towpath.settings import get_settings

if TYPE_CHECKING:
    from pathlib import Path

PROFILES = """
profile = "work"

[profiles.default]
display = "quiet"

[profiles.work]
server.address = "towpath.example.com:4200"
display = "plain"
log.level = "ERROR"
"""


def test_nothing_set_means_the_defaults_and_a_home_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("TOWPATH_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    settings = get_settings()
    assert settings.home.name == "towpath"
    assert (settings.server_address, settings.require_server) == ("", False)
    assert (settings.display, settings.log_level, settings.outbox_fsync) == (
        "auto",
        "INFO",
        "flush",
    )


def test_flag_goes_above_environment_above_project_above_profile_above_default(
    project: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources: list[tuple[str, str]] = []

    def see() -> None:
        found = resolve_settings().found["display"]
        assert found.value == get_settings().display
        sources.append((found.kind, str(found.value)))

    see()
    config.write_text(PROFILES)
    see()
    (project / "towpath.toml").write_text('display = "quiet"')
    use_flags({})
    see()
    monkeypatch.setenv("TOWPATH_DISPLAY", "live")
    see()
    use_flags({"display": "plain"})
    see()
    assert sources == [
        ("default", "auto"),
        ("profile", "plain"),
        ("project", "quiet"),
        ("environment", "live"),
        ("flag", "plain"),
    ]


def test_the_profile_is_the_flags_then_the_environments_then_the_files(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(PROFILES + '\n[profiles.other]\ndisplay = "live"\n')
    assert get_settings().display == "plain"
    monkeypatch.setenv("TOWPATH_PROFILE", "default")
    assert get_settings().display == "quiet"
    use_flags({}, profile="other")
    assert get_settings().display == "live"


def test_an_empty_variable_sets_nothing(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text(PROFILES)
    monkeypatch.setenv("TOWPATH_SERVER_ADDRESS", "")
    assert get_settings().server_address == "towpath.example.com:4200"


def test_a_changed_file_is_read_anew(config: Path) -> None:
    config.write_text('[profiles.default]\ndisplay = "quiet"\n')
    assert get_settings().display == "quiet"
    config.write_text('[profiles.default]\ndisplay = "plain" # and longer\n')
    assert get_settings().display == "plain"
    config.unlink()
    assert get_settings().display == "auto"


def test_what_has_not_changed_is_not_read_again(config: Path) -> None:
    config.write_text(PROFILES)
    assert get_settings() is get_settings()


@pytest.mark.parametrize("name", ["towpath.toml", "pyproject.toml"])
def test_the_nearest_project_file_up_to_the_root_of_the_repository_counts(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    table = "[tool.towpath]\n" if name == "pyproject.toml" else ""
    (project / name).write_text(f'{table}log.level = "DEBUG"\n')
    (project.parent / "towpath.toml").write_text('log.level = "ERROR"\n')
    inner = project / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert get_settings().log_level == "DEBUG"
    (project / name).unlink()
    use_flags({})
    assert get_settings().log_level == "INFO"


def test_outside_a_repository_only_the_folder_itself_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "plain" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "plain" / "towpath.toml").write_text('log.level = "ERROR"\n')
    monkeypatch.chdir(inner)
    assert get_settings().log_level == "INFO"
    monkeypatch.chdir(inner.parent)
    assert get_settings().log_level == "ERROR"


def test_a_pyproject_without_a_table_of_ours_is_passed_by(project: Path) -> None:
    (project / "pyproject.toml").write_text('[project]\ndependencies = ["towpath"]\n')
    assert resolve_settings().project is None


@pytest.mark.parametrize("name", ["server.address", "server.web_address"])
def test_a_project_may_not_send_what_is_the_users_elsewhere(project: Path, name: str) -> None:
    (project / "towpath.toml").write_text(f'{name} = "evil.example.com:4200"\n')
    with pytest.raises(ConfigurationError, match=rf"a project may not set {name}.*config set"):
        get_settings()


def test_the_home_is_set_by_the_environment_only(config: Path) -> None:
    config.write_text('[profiles.default]\nhome = "/elsewhere"\n')
    with pytest.raises(ConfigurationError, match="home can only be set by TOWPATH_HOME"):
        get_settings()


def test_a_changed_environment_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DISPLAY", "plain")
    assert get_settings().display == "plain"
    monkeypatch.setenv("TOWPATH_DISPLAY", "quiet")
    assert get_settings().display == "quiet"
    # Code that replaces the whole environment may use any mapping.
    monkeypatch.setattr(os, "environ", {**os.environ, "TOWPATH_DISPLAY": "live"})
    assert get_settings().display == "live"
    monkeypatch.delitem(os.environ, "TOWPATH_DISPLAY")
    assert get_settings().display == "auto"
