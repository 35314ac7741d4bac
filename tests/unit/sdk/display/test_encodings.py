"""What the display writes to terminals of any encoding."""

from __future__ import annotations

import io
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath import flow, get_run_logger
from towpath._delivery.session import use_reporter
from towpath._display.hub import Hub
from towpath._display.observer import Observer
from towpath._display.plain import PlainView
from towpath._display.screen import Screen
from towpath._display.words import encodable, escaped_controls, printable
from towpath._engine import failure_report

from tests.unit.sdk.recording import RecordingReporter

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "täglich ✓ 日本"
IN_LATIN_1 = "täglich + ??"


def latin_1(monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Puts standard error in Latin-1, which refuses other characters; returns what was written."""
    stream = io.TextIOWrapper(io.BytesIO(), "latin-1", "strict")
    monkeypatch.setattr(sys, "stderr", stream)

    def written() -> str:
        stream.flush()
        content: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
        return content.decode("latin-1")

    return written


@flow(name=NAME)
def named() -> None:
    get_run_logger().warning("also %s", NAME)
    raise ValueError(NAME)


def test_a_flow_of_any_name_is_shown_in_any_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = latin_1(monkeypatch)
    hub = Hub(PlainView)
    with (
        use_reporter(Observer(RecordingReporter(), hub, hub.page())),
        pytest.raises(ValueError, match="täglich"),
    ):
        named()
    hub.close()
    said = terminal()
    assert f"{IN_LATIN_1}  began" in said
    assert f"WARNING  {IN_LATIN_1}  also {IN_LATIN_1}" in said
    assert "failed after" in said


def test_the_report_of_a_failure_is_written_to_any_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = latin_1(monkeypatch)
    error = ValueError(f"{NAME} \u202e \x9b2J")
    failure_report.attach(error, NAME, [], str)
    failure_report._report(ValueError, error, None)
    assert terminal().startswith(f"x {IN_LATIN_1} failed: ValueError: {IN_LATIN_1} ? ?2J\n")


def test_the_tree_is_drawn_in_any_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = latin_1(monkeypatch)
    Screen(threading.RLock()).leave([f"● {NAME} …"])
    assert terminal() == f"* {IN_LATIN_1} .\n"


@given(text=st.text(), encoding=st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8"]))
def test_what_is_printed_can_be_encoded_and_has_no_controls(text: str, encoding: str) -> None:
    shown = encodable(printable(text, lines=True), encoding)
    shown.encode(encoding)
    assert not [
        char
        for char in shown
        if (char < " " and char not in "\n\t")
        or "\x7f" <= char <= "\x9f"
        or "\u202a" <= char <= "\u202e"
        or "\u2066" <= char <= "\u2069"
    ]
    assert "\n" not in printable(text)


def test_letters_of_any_script_are_left_as_they_are() -> None:
    assert (
        printable("größe 日本 שלום سلام e\u0301 \U0001f600")
        == "größe 日本 שלום سلام e\u0301 \U0001f600"
    )
    assert printable("a\u202eb\u2066c\u2069") == "a\ufffdb\ufffdc\ufffd"
    assert escaped_controls('["\u202e\x9b"]') == '["\\u202e\\u009b"]'


def test_only_errors_of_encoding_are_dealt_with() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", "towpath.plain")
