"""What the commands say about keys, logins and identity when something isn't as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.clients import Client, init_auth
from tests.scenarios.servers import DEADLINE_SECONDS, environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("cli", "identity")


@pytest.fixture
def stopped(make_server: Callable[..., Server], tmp_path: Path) -> tuple[Server, Client]:
    """A server with identity that isn't running yet, and its owner."""
    server = make_server()
    key = init_auth(server.home)
    settings = {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
    return server, Client(tmp_path / "owner", settings)


@dataclass
class Laptop(Client):
    """A client whose key is in its profile, and in no variable."""

    def login(self, key: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Has it keep a key."""
        self.home.mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-m", "towpath", "login", "--api-key", "-"],
            env=environment(self.home, **{**self.settings, **more}),
            input=f"{key}\n",
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    @property
    def config(self) -> Path:
        return self.home / "config.toml"


@pytest.fixture
def laptop(owner: Client, tmp_path: Path) -> Laptop:
    """The owner's laptop, whose profile holds the owner's key."""
    known = {"TOWPATH_SERVER_ADDRESS": owner.settings["TOWPATH_SERVER_ADDRESS"]}
    made = Laptop(tmp_path / "laptop", known)
    assert made.login(owner.settings["TOWPATH_API_KEY"]).returncode == 0
    return made


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
        assert "run `towpath server init-auth` to turn it on" in ended.stderr
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
    assert f"{key.split('_')[1]}, expires {day:%Y-%m-%d %H:%M}" in owner.says(
        "whoami", TOWPATH_API_KEY=key
    )


def test_without_a_server_nobody_is_said_to_have_been_asked(
    stopped: tuple[Server, Client],
) -> None:
    server, client = stopped
    on_home = Client(server.home, {"TOWPATH_API_KEY": client.settings["TOWPATH_API_KEY"]})
    shown = on_home.says("whoami")
    assert "No server is configured, and none runs on this home" in shown
    assert str(server.home / "towpath.db") in shown
    for noun in ("workspace", "key", "audit"):
        ended = on_home.towpath(noun, "ls")
        assert ended.returncode == 6
        assert "this command needs a server" in ended.stderr
        assert "`towpath server start`" in ended.stderr


def test_a_variable_that_goes_above_the_profile_is_named_by_login_and_logout(
    owner: Client, laptop: Laptop
) -> None:
    variable = {"TOWPATH_API_KEY": owner.says("key", "create")}
    told = laptop.login(owner.settings["TOWPATH_API_KEY"], **variable).stderr
    assert "TOWPATH_API_KEY overrides the profile" in told
    told = laptop.towpath("logout", **variable).stderr
    assert "key removed from profile default" in told
    assert "TOWPATH_API_KEY is still set, and calls go on using it" in told
    assert "calls go on using it" in laptop.towpath("logout", **variable).stderr
    assert "TOWPATH_API_KEY" not in laptop.login(owner.settings["TOWPATH_API_KEY"]).stderr
    assert "TOWPATH_API_KEY" not in laptop.towpath("logout").stderr


def test_a_key_that_others_may_read_is_told_with_what_mends_it(
    owner: Client, laptop: Laptop
) -> None:
    assert "can read" not in laptop.towpath("whoami").stderr
    laptop.config.chmod(0o644)
    mending = f"chmod 600 {laptop.config}"
    assert laptop.towpath("workspace", "ls").stderr.count(mending) == 1
    assert mending in laptop.towpath("run", "ls").stderr
    assert mending in laptop.towpath("doctor").stdout
    # Whoever calls with another key is left in peace, but for the doctor.
    key = owner.settings["TOWPATH_API_KEY"]
    other = owner.says("key", "create")
    assert "can read" not in laptop.towpath("whoami", TOWPATH_API_KEY=other).stderr
    assert mending in laptop.towpath("doctor", TOWPATH_API_KEY=other).stdout
    laptop.config.chmod(0o600)
    assert "can read" not in laptop.towpath("doctor").stdout
    assert key not in laptop.towpath("doctor").stdout


def test_a_key_isnt_taken_from_the_command_line(tmp_path: Path) -> None:
    key = "twpu_" + "0" * 16 + "_" + "0" * 49
    client = Client(tmp_path / "home")
    ended = client.towpath("config", "set", "server.api_key", key)
    assert ended.returncode == 2
    assert "`towpath login --api-key -`" in ended.stderr
    assert key not in ended.stderr
    assert not (client.home / "config.toml").exists()


def test_a_rotated_key_that_the_profile_holds_is_replaced_there_or_told(
    owner: Client, laptop: Laptop
) -> None:
    first = owner.settings["TOWPATH_API_KEY"]
    rotated = laptop.towpath("key", "rotate", first.split("_")[1])
    assert "Profile default still has the old key: `towpath login --api-key -`" in rotated.stderr
    second = rotated.stdout.strip()
    assert laptop.login(second).returncode == 0
    kept = laptop.towpath("key", "rotate", second.split("_")[1], "--keep")
    assert kept.returncode == 0, kept.stderr
    assert kept.stdout == ""
    third = tomllib.loads(laptop.config.read_text())["profiles"]["default"]["server"]["api_key"]
    assert third not in {first, second}
    assert third not in kept.stderr
    assert laptop.says("whoami").splitlines()[2].startswith(f"credential  {third.split('_')[1]}")
    # Nothing is rotated for whoever couldn't keep it.
    elsewhere = owner.towpath("key", "rotate", third.split("_")[1], "--keep")
    assert elsewhere.returncode == 2
    states = json.loads(laptop.says("key", "ls", "-o", "json"))
    assert [item["key_id"] for item in states if not item.get("replaced_by")] == [
        third.split("_")[1]
    ]
    by_variable = owner.towpath("key", "rotate", third.split("_")[1], TOWPATH_API_KEY=third)
    assert "TOWPATH_API_KEY still has the old key" in by_variable.stderr
    assert "Profile" not in by_variable.stderr
