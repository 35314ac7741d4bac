"""Which hosts the web port answers for, and what is said of a server that is open to all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from towpath_service.app.identity.exposure import warn_of_exposure, web_hosts
from towpath_service.app.settings import ServerSettings, TlsFiles

ANY = None
CASES: dict[str, tuple[dict[str, Any], bool, list[str] | None]] = {
    "on this machine": ({}, False, ["127.0.0.1"]),
    "on another address of this machine": ({"host": "127.0.0.2"}, False, ["127.0.0.2"]),
    "on this machine, with keys": ({}, True, ["127.0.0.1"]),
    "on this machine behind a proxy, without keys": ({"tls_proxy": True}, False, ["127.0.0.1"]),
    "on this machine behind a proxy, with keys": ({"tls_proxy": True}, True, ANY),
    "to all, with keys": ({"host": "0.0.0.0"}, True, ANY),
    "by a name, with keys": ({"host": "towpath.example.com"}, True, ANY),
    "to all, open": ({"host": "0.0.0.0", "insecure": True}, False, ANY),
}


INSECURE = {"host": "0.0.0.0", "insecure": True}
TLS = TlsFiles(certificate=Path("server.pem"), key=Path("server.key"))
WARNINGS: dict[str, tuple[dict[str, Any], bool, str]] = {
    "to all, open": (INSECURE, False, "anybody who reaches the ports may"),
    "to all, open, over TLS": (
        {**INSECURE, "tls": TLS},
        False,
        "anybody who reaches the ports may",
    ),
    "to all, with keys, in plain text": (INSECURE, True, "in plain text"),
    "to all, with keys, over TLS": ({**INSECURE, "tls": TLS}, True, ""),
    "to all, with keys, behind a proxy": ({**INSECURE, "tls_proxy": True}, True, ""),
    "on this machine": ({"insecure": True}, False, ""),
    "on this machine by its name": ({"host": "localhost", "insecure": True}, False, ""),
}


@pytest.mark.parametrize("how", CASES)
def test_the_wall_stands_where_a_rebound_name_could_do_harm(how: str) -> None:
    fields, identity, hosts = CASES[how]
    settings = ServerSettings(home=Path("home"), database=Path("towpath.db"), **fields)
    assert web_hosts(settings, identity=identity) == hosts


@pytest.mark.parametrize("how", WARNINGS)
def test_a_server_that_is_open_to_all_says_so_once(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    fields, identity, said = WARNINGS[how]
    settings = ServerSettings(home=Path("home"), database=Path("towpath.db"), **fields)
    warn_of_exposure(settings, identity=identity)
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (1 if said else 0)
    assert all(said in line and "--tls-cert" in line for line in told)
