"""What the commands say about keys, logins and identity when something isn't as it should be."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.test_identity import Client, init_auth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server


@pytest.fixture
def stopped(make_server: Callable[..., Server], tmp_path: Path) -> tuple[Server, Client]:
    """A server with identity that isn't running yet, and its owner."""
    server = make_server()
    key = init_auth(server.home)
    settings = {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
    return server, Client(tmp_path / "owner", settings)


@pytest.fixture
def owner(stopped: tuple[Server, Client]) -> Client:
    """The owner of a server with identity that runs."""
    server, client = stopped
    server.start()
    return client


def test_a_server_without_identity_says_what_switches_it_on(server: Server) -> None:
    client = Client(server.home)
    for noun, verb in (("workspace", "ls"), ("key", "create"), ("tenant", "ls"), ("audit", "ls")):
        ended = client.towpath(noun, verb)
        assert ended.returncode == 5
        assert "`towpath server init-auth` changes that" in ended.stderr
        assert "address" not in ended.stderr


MISSING = {
    "key revoke 0000000000000000 --yes": "key ls",
    "key rotate 0000000000000000": "key ls",
    "key create --for nobody": "service-account ls",
    "member rm nobody@example.org --yes": "member ls",
    "member rm ada@example.org --role viewer --yes": "member ls",
    "role delete painter --yes": "role ls",
    "service-account delete nobody --yes": "service-account ls",
    "secret inspect nothing": "secret ls",
    "tenant suspend nobody --yes": "tenant ls",
    "trust rm nobody --yes": "trust ls",
    "workspace delete nowhere --yes": "workspace ls",
    "run inspect 00000000-0000-7000-8000-000000000000": "run ls",
}


def test_what_isnt_there_is_followed_by_the_list_of_what_is(owner: Client) -> None:
    for command, hint in MISSING.items():
        ended = owner.towpath(*command.split())
        assert ended.returncode == 3, (command, ended.stderr)
        assert f"`towpath {hint}`" in ended.stderr, command


def checked(client: Client, *, code: int, **settings: str) -> dict[str, dict[str, str]]:
    """What the doctor finds, by name."""
    ended = client.towpath("doctor", "-o", "json", **settings)
    assert ended.returncode == code, ended.stdout + ended.stderr
    return {item["name"]: item for item in json.loads(ended.stdout)}


def test_a_doctor_tells_who_calls_or_what_keeps_them_from_it(owner: Client, tmp_path: Path) -> None:
    found = checked(owner, code=0)
    assert found["identity"]["verdict"] == "ok"
    assert "users/ada@example.org of tenant main" in found["identity"]["text"]
    assert "TOWPATH_API_KEY" in found["identity"]["text"]
    revoked = owner.says("key", "create")
    owner.says("key", "revoke", revoked.split("_")[1], "--yes")
    nowhere = str(tmp_path / "nowhere")
    for settings, said, fix in (
        ({"TOWPATH_API_KEY": revoked}, "revoked", "environment: TOWPATH_API_KEY"),
        ({"TOWPATH_API_KEY": ""}, "this server asks who calls", "`towpath login`"),
        ({"TOWPATH_API_KEY": "", "TOWPATH_API_KEY_FILE": nowhere}, nowhere, "TOWPATH_API_KEY_FILE"),
    ):
        found = checked(owner, code=1, **settings)
        assert found["server"]["verdict"] == "ok"
        assert found["identity"]["verdict"] == "failed"
        assert said in found["identity"]["text"]
        assert fix in found["identity"]["fix"]
        assert revoked not in str(found)


def test_a_doctor_knows_the_variables_of_the_server(tmp_path: Path) -> None:
    names = ("DATABASE", "KEY_FILE", "KEY_ENCRYPTION_KEY", "TLS_CERT", "KEEP_LOGS")
    variables = {f"TOWPATH_SERVER_{name}": "x" for name in names}
    client = Client(tmp_path / "home", variables)
    assert checked(client, code=0)["settings"]["verdict"] == "ok"
    assert "is no setting" not in client.towpath("config", "validate").stderr


def test_whoami_names_the_tenant_as_settings_do_and_when_the_key_ends(owner: Client) -> None:
    tenant = json.loads(owner.says("whoami", "-o", "json"))["tenant_id"]
    shown = owner.says("whoami").splitlines()
    assert f"tenant      main ({tenant})" in shown
    key = owner.says("key", "create", "--expires", "30d")
    listed = json.loads(owner.says("key", "ls", "-o", "json"))
    (ends,) = (item["expire_time"] for item in listed if item["key_id"] in key)
    day = datetime.fromisoformat(ends).astimezone()
    assert f"{key.split('_')[1]}, ends {day:%Y-%m-%d %H:%M}" in owner.says(
        "whoami", TOWPATH_API_KEY=key
    )


def test_without_a_server_nobody_is_said_to_have_been_asked(
    stopped: tuple[Server, Client],
) -> None:
    server, client = stopped
    on_home = Client(server.home, {"TOWPATH_API_KEY": client.settings["TOWPATH_API_KEY"]})
    shown = on_home.says("whoami")
    assert "Nobody was asked" in shown
    assert str(server.home / "towpath.db") in shown
    for noun in ("workspace", "key", "audit"):
        ended = on_home.towpath(noun, "ls")
        assert ended.returncode == 6
        assert "nobody was asked" in ended.stderr
        assert "`towpath server start`" in ended.stderr
