"""Wrong settings and runs: a run goes on wherever a default can be used."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from towpath import flow, task
from towpath._settings import current
from towpath._settings.current import leave_problems_to_parent, settings_of_runs
from towpath._settings.declared import BY_NAME, SETTINGS, TOLERATED, VARIABLES
from towpath.exceptions import ConfigurationError
from towpath.settings import get_settings
from towpath.testing import harness

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has told no problem."""
    monkeypatch.setattr(current, "_told", set())


@flow
def two() -> int:
    return one() + one()


@task
def one() -> int:
    return 1


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TOWPATH_DISPLAY", "loud", "its default is used, auto"),
        ("TOWPATH_LOG_LEVEL", "LOUD", "its default is used, INFO"),
        ("TOWPATH_OUTBOX_FSYNC", "sometimes", "its default is used, flush"),
        ("TOWPATH_FLUSH_TIMEOUT_SECONDS", "soon", "its default is used, 10.0"),
        ("TOWPATH_TELEMETRY_JOIN_CALLER", "perhaps", "its default is used, false"),
        ("TOWPATH_TELEMETRY_TRACE_URL", "nowhere", "its default is used"),
        ("TOWPATH_DISPLAI", "live", "did you mean TOWPATH_DISPLAY?; it is ignored"),
    ],
)
def test_a_flow_runs_with_the_default_and_the_problem_is_told_once(
    variable: str,
    value: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    with harness():
        assert (two(), two()) == (2, 2)
        assert settings_of_runs().display == "auto"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"towpath: {variable}")
    assert line.endswith(says)
    with pytest.raises(ConfigurationError):
        get_settings()


def test_settings_without_a_tolerated_value_stop_a_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr("towpath._engine.failure_report._previous_hook", None)
    monkeypatch.setenv("TOWPATH_SERVER_ADDRESS", "nowhere")
    for begins in (two, one):
        with harness(), pytest.raises(ConfigurationError) as raised:
            begins()
        sys.excepthook(raised.type, raised.value, raised.tb)
        assert capsys.readouterr().err == (
            "Error: TOWPATH_SERVER_ADDRESS: server.address is 'nowhere': it must be host:port, such"
            " as 127.0.0.1:4200\n"
            "  `towpath config validate` lists all problems\n"
        )


@pytest.mark.parametrize(
    ("content", "stops"),
    [
        ("[profiles.default]\ndisplay = 3", False),
        ("[profiles.default]\nfuture_setting = 1", False),
        ("[profiles.default]\ndisplai = 'live'", False),
        ("[profiles.default]\nserver.adress = 'a:1'", True),
        ("[profiles.default]\nworkspace = 'Team A'", True),
        ("display = 'live'", False),
        ("server.address = 'a:1'", True),
        ("future = 1", False),
        ("profils = 1", True),
        ("this is no TOML", True),
    ],
)
def test_a_wrong_file_stops_runs_only_where_it_may_say_where_reports_go(
    content: str, stops: bool, config: Path
) -> None:
    config.write_text(content)
    if stops:
        with pytest.raises(ConfigurationError):
            settings_of_runs()
    else:
        assert settings_of_runs() == settings_of_runs()


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_is_one_that_is_not_set(
    variable: str, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(variable, raising=False)
    without = get_settings()
    monkeypatch.setenv(variable, blank)
    assert get_settings() == without


def test_problems_are_told_by_the_process_that_starts_workers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOWPATH_DISPLAY", "loud")
    leave_problems_to_parent()
    assert settings_of_runs().display == "auto"
    assert capsys.readouterr().err == ""


def test_what_decides_where_reports_go_has_no_default_for_wrong_values() -> None:
    strict = {setting.name for setting in SETTINGS} - TOLERATED
    assert BY_NAME.keys() >= TOLERATED
    results = {"results.url", "results.signing_key", "results.trust_pickles"}
    others = {name for name in strict if not name.startswith("server.")}
    assert others == {"home", "workspace"} | results
