"""What a server's settings say about its address."""

from __future__ import annotations

import pytest
from towpath_service.app.addresses import seen_from_here


@pytest.mark.parametrize(
    ("host", "seen"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "::1"),
        ("127.0.0.1", "127.0.0.1"),
        ("192.0.2.7", "192.0.2.7"),
        ("towpath.example.com", "towpath.example.com"),
    ],
)
def test_what_listens_everywhere_is_seen_on_loopback(host: str, seen: str) -> None:
    assert seen_from_here(host) == seen
