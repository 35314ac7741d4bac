"""docs/guides/tls.md, walked command by command as somebody who copies them would."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.certificates import Authority
from tests.scenarios.guides import Terminal, commands_of, key_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("app", "transport")


def test_the_commands_of_the_guide_do_what_it_says(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    pair = authority.sign("server")
    server = Terminal(tmp_path / "home", tmp_path / "bin", stands_for={"0.0.0.0": "127.0.0.1"})
    shutil.copy(pair.certificate, server.home / "tls.pem")
    shutil.copy(pair.key, server.home / "tls.key")
    try:
        server.serves(
            "towpath server start --host 0.0.0.0 --auth --tls-cert tls.pem --tls-key tls.key"
        )
        assert server.typed == commands_of("tls")["TLS"]
        key = key_in((server.home / "server.log").read_text())
        laptop = Terminal(tmp_path / "laptop", tmp_path / "bin")
        shutil.copy(authority.file, laptop.home / "ca.pem")
        laptop.stands_for |= {
            "https://towpath.example.com:4201": server.web_address,
            "towpath.example.com:4200": server.address,
        }
        # The certificate of this server is of no public authority.
        laptop.runs("towpath config set server.ca_file ca.pem")
        laptop.types("towpath config set server.address towpath.example.com:4200")
        laptop.types("towpath config set server.web_address https://towpath.example.com:4201")
        laptop.types("towpath config set server.tls on")
        shown = laptop.types("towpath login", answers={"API key: ": key})
        assert "users/owner@localhost is signed in" in shown
        laptop.types("towpath config set server.ca_file ca.pem")
        assert f"{server.address}, configured" in laptop.runs("towpath doctor")
        assert "users/owner@localhost" in laptop.runs("towpath whoami")
        assert laptop.typed == commands_of("tls")["On the client"]
    finally:
        server.stops()
