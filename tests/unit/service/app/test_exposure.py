"""Which hosts the web port answers for, and what is said of a server that is open to all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from towpath_service.app.identity.exposure import warn_of_exposure, web_hosts
from towpath_service.app.options import IdentityOptions, ListenerOptions, ServerOptions

ANY = None
CASES: dict[str, tuple[dict[str, Any], bool, list[str] | None]] = {
    "on this machine": ({}, False, ["127.0.0.1"]),
    "on another address of this machine": ({"host": "127.0.0.2"}, False, ["127.0.0.2"]),
    "on this machine, with keys": ({}, True, ["127.0.0.1"]),
    "on this machine behind a proxy, without keys": (
        {"behind_tls_proxy": True},
        False,
        ["127.0.0.1"],
    ),
    "on this machine behind a proxy, with keys": ({"behind_tls_proxy": True}, True, ANY),
    "to all, with keys": ({"host": "0.0.0.0"}, True, ANY),
    "by a name, with keys": ({"host": "towpath.example.com"}, True, ANY),
    "to all, open": ({"host": "0.0.0.0", "insecure": True}, False, ANY),
}


INSECURE = {"host": "0.0.0.0", "insecure": True}
TLS = {"tls_cert": Path("server.pem"), "tls_key": Path("server.key")}
WARNINGS: dict[str, tuple[dict[str, Any], bool, str]] = {
    "to all, open": (INSECURE, False, "anybody who reaches the ports may"),
    "to all, open, over TLS": (
        {**INSECURE, **TLS},
        False,
        "anybody who reaches the ports may",
    ),
    "to all, with keys, in plain text": (INSECURE, True, "in plain text"),
    "to all, with keys, over TLS": ({**INSECURE, **TLS}, True, ""),
    "to all, with keys, behind a proxy": ({**INSECURE, "behind_tls_proxy": True}, True, ""),
    "on this machine": ({"insecure": True}, False, ""),
    "on this machine by its name": ({"host": "localhost", "insecure": True}, False, ""),
}


def options_with(*, behind_tls_proxy: bool = False, **listener: Any) -> ServerOptions:
    return ServerOptions(
        home=Path("home"),
        database=Path("towpath.db"),
        listener=ListenerOptions(**listener),
        identity=IdentityOptions(behind_tls_proxy=behind_tls_proxy),
    )


@pytest.mark.parametrize("how", CASES)
def test_the_wall_stands_where_a_rebound_name_could_do_harm(how: str) -> None:
    fields, identity, hosts = CASES[how]
    options = options_with(**fields)
    assert web_hosts(options, identity=identity) == hosts


@pytest.mark.parametrize("how", WARNINGS)
def test_a_server_that_is_open_to_all_says_so_once(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    fields, identity, said = WARNINGS[how]
    options = options_with(**fields)
    warn_of_exposure(options, identity=identity)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (1 if said else 0)
    assert all(said in line and "--tls-cert" in line for line in told)
