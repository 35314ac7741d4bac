"""Which hosts the web port answers for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from towpath_service.app.exposure import web_hosts
from towpath_service.app.settings import ServerSettings

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


@pytest.mark.parametrize("how", CASES)
def test_the_wall_stands_where_a_rebound_name_could_do_harm(how: str) -> None:
    fields, identity, hosts = CASES[how]
    settings = ServerSettings(home=Path("home"), database=Path("towpath.db"), **fields)
    assert web_hosts(settings, identity=identity) == hosts
