"""The address that others know a service by, as it is given and as it is kept."""

from __future__ import annotations

import re

import pytest
from towpath_service.app.identity.public_url import parse_public_url


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://towpath.example.com", "https://towpath.example.com"),
        ("https://towpath.example.com/", "https://towpath.example.com"),
        ("HTTPS://Towpath.Example.COM:443", "https://towpath.example.com"),
        ("https://towpath.example.com:4201", "https://towpath.example.com:4201"),
        ("https://[2001:DB8::7]:4201", "https://[2001:db8::7]:4201"),
        ("http://127.0.0.1:4201", "http://127.0.0.1:4201"),
        ("http://localhost:80/", "http://localhost"),
        ("http://[::1]:4201", "http://[::1]:4201"),
    ],
)
def test_one_address_has_one_spelling(given: str, kept: str) -> None:
    assert parse_public_url(given) == kept


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("http://towpath.example.com", "https://"),
        ("http://127.0.0.1.example.com", "https://"),
        ("ftp://towpath.example.com", "https://"),
        ("https://towpath.example.com/towpath", "https://towpath.example.com"),
        ("https://towpath.example.com?", "without path"),
        ("https://towpath.example.com/?tenant=main", "without path"),
        ("https://towpath.example.com#top", "without path"),
        ("https://ada:secret@towpath.example.com", "a password"),
        ("https://@towpath.example.com", "a password"),
        ("towpath.example.com", "no URL"),
        ("https://", "no URL"),
        ("https://:4201", "no URL"),
        ("https://towpath.example.com:", "no URL"),
        ("https://towpath.example.com:0", "no URL"),
        ("https://towpath.example.com:port", "no URL"),
        ("https://[::1", "no URL"),
        ("https://towpath.example.com\\evil.example", "no URL"),
        ("https://töwpath.example.com", "no URL"),
        (" https://towpath.example.com", "no URL"),
        ("https://towpath.example.com\n", "no URL"),
    ],
)
def test_what_is_no_address_of_a_service_is_refused(given: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        parse_public_url(given)
    assert "secret" not in str(refused.value)
