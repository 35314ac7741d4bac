"""Each option of the server is declared once: on a field, from which the command is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from towpath_service.app.declarations import Option, option_of, options_of, value_from_environment
from towpath_service.app.options import (
    SERVER_OPTIONS,
    DatabaseOptions,
    IdentityOptions,
    ListenerOptions,
    ProcessOptions,
    RetentionOptions,
    TelemetryOptions,
    TlsFiles,
)
from towpath_service.cli.options import takes
from towpath_service.cli.server import start
from towpath_service.core.errors import ServiceError

DOCS = Path(__file__).resolve().parents[4] / "docs"
PARTS = (
    ProcessOptions,
    ListenerOptions,
    DatabaseOptions,
    IdentityOptions,
    RetentionOptions,
    TelemetryOptions,
)


def taken(part: Any, *words: str, **variables: str) -> Any:
    """What a command gets that takes a part of the options."""
    made: list[Any] = []

    @click.command()
    @takes(part, "part")
    def command(part: Any) -> None:
        made.append(part)

    ended = CliRunner().invoke(command, list(words), env=variables)
    return made[0] if made else ended


def test_the_command_has_each_declared_option_and_no_other() -> None:
    found = [flag for parameter in start.params for flag in parameter.opts]
    assert sorted(found) == sorted(option.flag for option in SERVER_OPTIONS)


@pytest.mark.parametrize("option", SERVER_OPTIONS, ids=lambda option: option.flag)
def test_an_option_is_explained_by_a_sentence_and_a_page(option: Option) -> None:
    assert option.help.endswith(".")
    assert (DOCS / option.page).is_file()


@pytest.mark.parametrize("part", PARTS)
def test_a_command_without_words_takes_the_defaults(part: Any) -> None:
    names = {option.variable: "" for option in options_of(part) if option.variable}
    assert taken(part, **names) == part()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("blank", ["", " ", "\t\n"])
def test_a_blank_variable_is_one_that_is_not_set(
    part: Any, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blanks = {each.variable: blank for each in options_of(part) if each.variable}
    assert taken(part, **blanks) == taken(part)
    for each in options_of(part):
        if each.variable:
            monkeypatch.setenv(each.variable, blank)
            assert value_from_environment(each) == each.default


def test_a_word_wins_over_a_variable() -> None:
    variables = {"TOWPATH_SERVER_KEEP_LOGS": "12h", "TOWPATH_SERVER_KEEP_RUNS": "forever"}
    made = taken(RetentionOptions, "--keep-logs", "2d", **variables)
    assert (made.keep_logs, made.keep_runs) == (2 * 86_400, None)


def test_a_service_without_a_command_line_reads_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = option_of(RetentionOptions, "keep_logs")
    monkeypatch.delenv(declared.variable, raising=False)
    assert value_from_environment(declared) == RetentionOptions().keep_logs
    monkeypatch.setenv(declared.variable, "12h")
    assert value_from_environment(declared) == 12 * 3600
    monkeypatch.setenv(declared.variable, "soon")
    with pytest.raises(ServiceError, match="TOWPATH_SERVER_KEEP_LOGS: 'soon' is no age"):
        value_from_environment(declared)
    monkeypatch.setenv("TOWPATH_SERVER_KEY_FILE", "/named.key")
    assert value_from_environment(option_of(IdentityOptions, "key_file")) == Path("/named.key")


def test_files_of_tls_come_together() -> None:
    cert, key, authority = Path("tls.pem"), Path("tls.key"), Path("clients.pem")
    assert ListenerOptions().tls is None
    assert ListenerOptions(tls_cert=cert, tls_key=key, tls_client_ca=authority).tls == TlsFiles(
        certificate=cert, key=key, client_authority=authority
    )
    for half in ({"tls_cert": cert}, {"tls_key": key}, {"tls_client_ca": authority}):
        with pytest.raises(ValueError, match="--tls-cert"):
            ListenerOptions(**half)


def test_options_that_dont_go_together_are_refused_by_name() -> None:
    refused = taken(ListenerOptions, "--tls-cert", "tls.pem")
    assert refused.exit_code == 2
    assert "--tls-cert and --tls-key belong together" in refused.output
