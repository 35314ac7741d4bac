"""What somebody is shown who approves the login of a device."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from towpath.cli.identity.devices import question_about
from towpath.client import WaitingSignIn

AT = datetime(2026, 11, 28, 9, 5, 1, tzinfo=UTC)
REST = (
    " began a login at 09:05:01 UTC. Approve it only if you began it yourself. Sign it in as you?"
)


def question(name: str, address: str = "203.0.113.9") -> str:
    found = WaitingSignIn(client_name=name, client_address=address, created=AT)
    return question_about(found)


def test_a_device_is_shown_by_its_address_and_its_own_word() -> None:
    told = 'A device at 203.0.113.9, which calls itself "towpath on build-7",'
    assert question("towpath on build-7") == told + REST
    assert question("") == "A device at 203.0.113.9" + REST
    assert question("", "") == "A device at an unknown address" + REST


@pytest.mark.parametrize(
    "name",
    [
        "\x1b[2K\rtowpath on ada-laptop at 10.0.0.5\x1b[8m",
        "\N{RIGHT-TO-LEFT OVERRIDE}potpal-ada",
        "a\n\n\n\nb",
        "a\N{ZERO WIDTH SPACE}b\N{LINE SEPARATOR}c",
    ],
)
def test_no_name_changes_what_is_shown_around_it(name: str) -> None:
    assert question(name).isprintable()


@given(name=st.text(max_size=100))
def test_a_question_is_one_line_that_says_where_the_device_is(name: str) -> None:
    told = question(name)
    assert told.isprintable()
    assert told.startswith("A device at 203.0.113.9")
    assert told.endswith(REST)
