from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import pytest
from towpath._settings.current import resolve_settings, use_flags
from towpath._settings.declared import BY_NAME, SETTINGS, masked
from towpath._settings.files import ConfigFile, read_config, write_config
from towpath._settings.layers import Layer, file_problems, read_layer
from towpath.exceptions import ConfigurationError
from towpath.settings import Settings, get_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TOWPATH_DISPLAY", "loud", "must be one of auto, live, plain, quiet"),
        ("TOWPATH_OUTBOX_FSYNC", "sometimes", "must be one of never, flush, always"),
        ("TOWPATH_LOG_LEVEL", "LOUD", "must be one of DEBUG, INFO"),
        ("TOWPATH_REQUIRE_SERVER", "perhaps", "must be true or false"),
        ("TOWPATH_FLUSH_TIMEOUT_SECONDS", "soon", "must be a number of seconds"),
        ("TOWPATH_FLUSH_TIMEOUT_SECONDS", "-1", "must be a number of seconds"),
        ("TOWPATH_FLUSH_TIMEOUT_SECONDS", "nan", "must be a number of seconds"),
        ("TOWPATH_SERVER_ADDRESS", "towpath.example.com", "must be host:port"),
        ("TOWPATH_SERVER_ADDRESS", "http://127.0.0.1:4200", "must be host:port"),
        ("TOWPATH_SERVER_ADDRESS", "127.0.0.1:70000", "must be host:port"),
        ("TOWPATH_SERVER_WEB_ADDRESS", "127.0.0.1:4201", "must be a URL"),
        ("TOWPATH_SERVER_WEB_ADDRESS", "http://me:key@127.0.0.1:4201", "must be a URL"),
        ("TOWPATH_SERVER_WEB_ADDRESS", "http://[::1:4201", "must be a URL"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as raised:
        get_settings()
    assert variable in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value", "attribute", "means"),
    [
        ("TOWPATH_SERVER_ADDRESS", "[::1]:4200", "server_address", "[::1]:4200"),
        (
            "TOWPATH_SERVER_WEB_ADDRESS",
            "https://t.example/",
            "server_web_address",
            "https://t.example",
        ),
        ("TOWPATH_REQUIRE_SERVER", "Yes", "require_server", True),
        ("TOWPATH_REQUIRE_SERVER", "0", "require_server", False),
        ("TOWPATH_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("TOWPATH_FLUSH_TIMEOUT_SECONDS", "2.5", "flush_timeout_seconds", 2.5),
    ],
)
def test_values_are_read_as_people_write_them(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, attribute: str, means: object
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(get_settings(), attribute) == means


def test_a_slip_in_a_variables_name_is_refused_with_the_name_that_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TOWPATH_SERVER_ADRESS", "127.0.0.1:4200")
    with pytest.raises(ConfigurationError, match="did you mean TOWPATH_SERVER_ADDRESS"):
        get_settings()


def test_variables_that_kubernetes_makes_of_a_service_named_towpath_do_no_harm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (
        "PORT",
        "SERVICE_HOST",
        "SERVER_PORT",
        "SERVER_SERVICE_HOST",
        "PORT_4200_TCP_ADDR",
    ):
        monkeypatch.setenv(f"TOWPATH_{name}", "tcp://10.0.0.1:4200")
    assert get_settings().server_address == ""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[profiles.default]\nserver.adress = 'a:1'", "did you mean 'server.address'"),
        ("[profiles.default]\ndisplay = 3", "display is 3: it must be one of"),
        ("[profiles.default]\nserver.require = 'maybe'", "it must be true or false"),
        ("[profiles.default]\nlog.level = ['INFO']", "it must be one of"),
        ("[profiles.default]\nserver.address = 4200", "it must be a text"),
        ("display = 'live'", "belongs under [profiles.NAME]"),
        ("profils = 1", "did you mean 'profile"),
        ("profile = 'wrk'\n[profiles.work]", "did you mean 'work'"),
        ("profile = 3", "profile must be the name of a profile"),
        ("[profiles]\ndefault = 3", "belong in tables [profiles.NAME]"),
        ("this is no TOML", "can't be read as TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(config: Path, content: str, says: str) -> None:
    config.write_text(content)
    with pytest.raises(ConfigurationError) as raised:
        get_settings()
    assert str(config) in str(raised.value)
    assert says in str(raised.value)


def test_a_wrong_project_file_is_named(project: Path) -> None:
    (project / "towpath.toml").write_text("displya = 'live'")
    with pytest.raises(ConfigurationError, match=r"towpath\.toml.*did you mean 'display'"):
        get_settings()


def test_everything_wrong_is_listed_not_only_the_first(project: Path, config: Path) -> None:
    config.write_text("[profiles.default]\ndisplay = 'x'\nlog.level = 'y'\n")
    (project / "towpath.toml").write_text("oddity = 1\n")
    use_flags({"server.address": "nowhere"})
    assert len(resolve_settings().problems) == 4


def test_a_profile_that_is_not_in_use_is_looked_at_too(config: Path) -> None:
    config.write_text("[profiles.other]\ndisplay = 'x'\n")
    assert get_settings().display == "auto"
    assert len(file_problems(read_config(config))) == 1


def test_a_file_that_is_written_reads_back_the_same_and_is_the_owners_alone(config: Path) -> None:
    written = ConfigFile(
        path=config,
        profile="odd name",
        profiles={
            "default": {"server.address": "a:1", "server.require": True},
            "odd name": {"flush_timeout_seconds": 2.5, "display": 'q"\\\n\x7f\u00e9'},
            "empty": {},
        },
    )
    write_config(written)
    assert read_config(config) == written
    assert config.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in config.parent.iterdir()] == ["config.toml"]


def test_a_file_that_cannot_be_written_is_an_error_that_says_so(config: Path) -> None:
    config.mkdir()
    with pytest.raises(ConfigurationError, match="can't be written"):
        write_config(ConfigFile(path=config))


def test_a_secret_is_neither_shown_nor_quoted_in_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = replace(BY_NAME["display"], name="key", secret=True)
    assert masked(secret, "hunter2") == "********"
    assert masked(secret, "") == ""
    monkeypatch.setitem(BY_NAME, "key", secret)
    layer = Layer(kind="profile", place="a file", values={"key": "hunter2"})
    found, problems = read_layer(layer)
    assert not found
    assert len(problems) == 1
    assert "hunter2" not in str(problems[0])


def test_every_setting_is_an_attribute_and_the_other_way_round() -> None:
    assert {setting.attribute for setting in SETTINGS} == {field.name for field in fields(Settings)}
