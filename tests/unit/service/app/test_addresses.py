"""What a server's settings say about its address."""

from __future__ import annotations

import pytest
from towpath_service.app.addresses import is_loopback, seen_from_here


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:0.0.0.0", "::ffff:0.0.0.0"),
        ("towpath.example.com", "towpath.example.com"),
    ],
)
def test_what_listens_everywhere_is_seen_on_loopback(host: str, seen: str) -> None:
    assert seen_from_here(host) == seen


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.7", False),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.7", False),
        ("towpath.example.com", False),
    ],
)
def test_a_loopback_address_is_one_on_every_python(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
