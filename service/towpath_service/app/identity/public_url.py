"""The public URL of a server, which is also the issuer of its access tokens."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, urlsplit

from towpath_service.app.addresses import is_loopback

_PORTS: Final = {"https": 443, "http": 80}


def parse_public_url(text: str) -> str:
    """Normalizes a public URL: scheme, host, and the port if it isn't the usual one, in lower case.

    Verifiers and replicas compare issuers letter by letter.

    Args:
        text: The URL, https or, on this machine, http.

    Raises:
        ValueError: The text is no such URL; the message shows the right form.
    """
    parts = _split(text)
    plain_on_loopback = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not plain_on_loopback:
        raise ValueError(f"{text!r} has to begin with https://, since others trust what it says")
    if parts.path not in {"", "/"} or any(mark in text for mark in "?#"):
        raise ValueError(
            f"{text!r} names more than a host: give it without path, query and fragment,"
            f" https://{parts.netloc.rpartition('@')[2]}"
        )
    host = parts.hostname or ""
    port = "" if parts.port in {None, _PORTS[parts.scheme]} else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise _no_url(text) from None
    host = parts.hostname or ""
    strange = not text.isascii() or any(letter.isspace() for letter in text) or "\\" in text
    if not parts.scheme or not host or strange or port == 0 or parts.netloc.endswith(":"):
        raise _no_url(text)
    if "@" in parts.netloc:
        raise ValueError("it has a name or a password in it: give it without, all may read it")
    return parts


def _no_url(text: str) -> ValueError:
    return ValueError(f"{text!r} is no URL of a host, such as https://towpath.example.com")
