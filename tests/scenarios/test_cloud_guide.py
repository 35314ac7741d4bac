"""docs/guides/cloud.md, walked command by command as somebody who copies them would."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.certificates import Authority
from tests.scenarios.guides import Terminal, commands_of, key_in

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.subject("app", "identity")


def test_the_commands_of_the_guide_do_what_it_says(tmp_path: Path, held_dsn: str) -> None:
    authority = Authority(tmp_path / "pki")
    pair = authority.sign("server")
    operator = Terminal(tmp_path / "home", tmp_path / "bin", stands_for={"0.0.0.0": "127.0.0.1"})
    shutil.copy(pair.certificate, operator.home / "tls.pem")
    shutil.copy(pair.key, operator.home / "tls.key")
    operator.stands_for["postgresql://towpath:secret@db.internal/towpath"] = f"'{held_dsn}'"
    sections = commands_of("cloud")
    try:
        first_server(operator)
        assert operator.typed == sections["The first server"]
        operator.typed.clear()
        operator.settings["TOWPATH_SERVER_CA_FILE"] = str(authority.file)
        owner_key = tenants(operator)
        assert operator.typed == sections["Tenants"]
        operator.typed.clear()
        tenant = Terminal(tmp_path / "tenant", tmp_path / "bin")
        tenant.settings["TOWPATH_SERVER_CA_FILE"] = str(authority.file)
        tenant.stands_for["towpath.example.com:4200"] = operator.address
        what_a_tenant_does(tenant, owner_key)
        assert tenant.typed == sections["What a tenant does"]
        assert "entries are as they were written" in operator.types("towpath audit verify")
        operator.types("towpath audit export > audit.jsonl")
        assert "tenant.create" in (operator.home / "audit.jsonl").read_text()
        assert operator.typed == sections["What to look at"]
        assert len(sections) == 4
    finally:
        operator.stops()


def first_server(operator: Terminal) -> None:
    operator.types("export TOWPATH_SERVER_DATABASE=postgresql://towpath:secret@db.internal/towpath")
    operator.types("towpath server db upgrade")
    shown = operator.types("towpath server init-auth --owner ops@example.org")
    operator.serves(
        "towpath server start --cloud --host 0.0.0.0 --tls-cert tls.pem --tls-key tls.key"
    )
    operator.settings["TOWPATH_API_KEY"] = key_in(shown)


def tenants(operator: Terminal) -> str:
    key = key_in(operator.types("towpath tenant create acme --owner eve@acme.test"))
    operator.types("towpath tenant limit acme --updates-per-second 5000 --stored-bytes 50000000000")
    assert "acme" in operator.types("towpath tenant ls")
    operator.types("towpath tenant suspend acme", answers={": ": "y"})
    assert "suspended" in operator.runs("towpath whoami", ends=4, TOWPATH_API_KEY=key)
    operator.types("towpath tenant resume acme")
    assert "users/eve@acme.test" in operator.runs("towpath whoami", TOWPATH_API_KEY=key)
    return key


def what_a_tenant_does(tenant: Terminal, key: str) -> None:
    tenant.types("towpath config set server.address towpath.example.com:4200")
    tenant.types("towpath config set server.tls on")
    shown = tenant.types("towpath login", answers={"API key: ": key})
    assert "users/eve@acme.test is signed in" in shown
    tenant.types("towpath workspace create nightly")
    tenant.types("towpath service-account create etl --role runner --workspace nightly")
    made = key_in(tenant.types('towpath key create --for etl --name "the nightly jobs"'))
    assert "serviceAccounts/etl" in tenant.runs("towpath whoami", TOWPATH_API_KEY=made)
