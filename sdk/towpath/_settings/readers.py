"""Converts settings written in files, variables and flags to values.

Each function returns the value, or raises ValueError or TypeError. The message describes a valid
value and follows "it": "must be true or false".
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_PORT: Final = 65535
_SLUG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""The id of a tenant, a workspace, a work pool or a worker; the contract's own rule for them."""


def read_text(written: object) -> str:
    """A text, without white space around it."""
    if not isinstance(written, str):
        raise TypeError("must be a text")
    return written.strip()


def read_address(written: object) -> str:
    """A host and a port, "127.0.0.1:4200"; empty for none."""
    text = read_text(written)
    host, _, port = text.rpartition(":")
    plain = not re.search(r"[/@\s]", text)
    if text and not (host and plain and port.isdecimal() and 0 < int(port) <= _MAX_PORT):
        raise ValueError("must be host:port, such as 127.0.0.1:4200")
    return text


def read_web_address(written: object) -> str:
    """The URL of a host, "http://127.0.0.1:4201"; empty for none."""
    text = read_text(written).rstrip("/")
    if not text:
        return text
    problem = "must be a URL of a host, such as http://127.0.0.1:4201"
    try:
        parts = urlsplit(text)
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        raise ValueError(problem) from None
    if not fits or "@" in text or parts.path or parts.query or parts.fragment:
        raise ValueError(problem)
    return text


def read_results_url(written: object) -> str:
    """Where results are stored, "s3://bucket/results"; empty for the home."""
    text = read_text(written)
    if text and not re.fullmatch(r"(s3|gs|az)://[^/\s@]+(/\S*)?|(file|memory)://(/\S*)?", text):
        raise ValueError(
            "must be like s3://bucket/prefix, gs://, az://, file:///folder or memory:///"
        )
    return text.rstrip("/") if text and not text.endswith("://") else text


def read_api_key(written: object) -> str:
    """An API key; empty for none."""
    text = read_text(written)
    if text and not re.fullmatch(r"twp[us]_[0-9A-Za-z]{16}_[0-9A-Za-z]{49}", text):
        # The written text may be another secret, so the message doesn't repeat it.
        raise ValueError("must be an API key of Towpath, which begins with twpu_ or twps_")
    return text


def read_file(written: object) -> Path | None:
    """An absolute path; None for an empty text."""
    text = read_text(written)
    return Path(text).expanduser().absolute() if text else None


def read_tenant(written: object) -> str:
    """The id of a tenant; empty for none."""
    text = read_text(written).removeprefix("tenants/")
    if text and not _SLUG.fullmatch(text):
        raise ValueError("must be the id of a tenant: a-z, 0-9 and -, such as acme")
    return text


def read_workspace(written: object) -> str:
    """The id of a workspace."""
    text = read_text(written).removeprefix("workspaces/")
    if not _SLUG.fullmatch(text):
        raise ValueError("must be the id of a workspace: a-z, 0-9 and -, such as default")
    return text


def read_pool(written: object) -> str:
    """The id of a work pool; empty for none."""
    text = read_text(written)
    if text and not _SLUG.fullmatch(text):
        raise ValueError("must be the id of a work pool: a-z, 0-9 and -, such as local")
    return text


def read_trace_url(written: object) -> str:
    """A URL with {trace_id} in it; empty for none."""
    text = read_text(written)
    if text and ("{trace_id}" not in text or urlsplit(text).scheme not in {"http", "https"}):
        raise ValueError(
            "must be a URL with {trace_id} in it, such as http://127.0.0.1:16686/trace/{trace_id}"
        )
    return text


def read_flag(written: object) -> bool:
    """True or false, from a boolean or from a word."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(written, bool):
        return written
    if isinstance(written, str) and written.strip().lower() in words:
        return words[written.strip().lower()]
    raise ValueError("must be true or false")


def read_seconds(written: object) -> float:
    """A number of seconds, 0 or more."""
    problem = "must be a number of seconds, 0 or more"
    if isinstance(written, bool) or not isinstance(written, str | int | float):
        raise TypeError(problem)
    try:
        seconds = float(written)
    except (ValueError, OverflowError):
        raise ValueError(problem) from None
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(problem)
    return seconds


def read_count(written: object) -> int:
    """A whole number, 1 or more."""
    return _whole_number(written, 1)


def read_retries(written: object) -> int:
    """A whole number, 0 or more."""
    return _whole_number(written, 0)


def _whole_number(written: object, least: int) -> int:
    problem = f"must be a whole number, {least} or more"
    if isinstance(written, bool) or not isinstance(written, str | int):
        raise TypeError(problem)
    try:
        number = int(written)
    except ValueError:
        raise ValueError(problem) from None
    if number < least:
        raise ValueError(problem)
    return number


def read_worker(written: object) -> str:
    """The id of a worker; empty for none."""
    text = read_text(written)
    if text and not _SLUG.fullmatch(text):
        raise ValueError("must be the id of a worker: a-z, 0-9 and -, such as w-1")
    return text


def read_home(written: object) -> Path:
    """The absolute path of a folder."""
    return Path(read_text(written)).expanduser().absolute()


def one_of(*choices: str) -> Callable[[object], str]:
    """A reader of one of several words, in any case."""

    def read(written: object) -> str:
        for choice in choices:
            if isinstance(written, str) and written.strip().lower() == choice.lower():
                return choice
        raise ValueError(f"must be one of {', '.join(choices)}")

    return read
