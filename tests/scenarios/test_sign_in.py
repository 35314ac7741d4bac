"""Signing in from end to end: an issuer, a browser, devices, and what programs come by."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from tests.issuer.server import CLIENT, Issuer, running_issuer
from tests.scenarios.clients import HELLO, Client, init_auth
from tests.scenarios.servers import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("identity")

EVE = "eve@example.org"
BROWSER = """
import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=20).read()
"""


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        running.email = EVE
        yield running


@pytest.fixture
def owner(make_server: Callable[..., Server], tmp_path: Path) -> Client:
    """The owner of a server that may call issuers on this machine."""
    server = make_server(options=("--private-issuers",))
    key = init_auth(server.home)
    server.start()
    return Client(
        tmp_path / "owner", {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
    )


@pytest.fixture
def eve(owner: Client, tmp_path: Path) -> Client:
    """Somebody with a browser, who calls the server with nothing yet."""
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    return Client(
        tmp_path / "eve",
        {
            "TOWPATH_SERVER_ADDRESS": owner.settings["TOWPATH_SERVER_ADDRESS"],
            "BROWSER": f"{sys.executable} {script} %s &",
        },
    )


def sign_in_at(owner: Client, issuer: Issuer, *more: str) -> None:
    """Has people of the tenant sign in at an issuer."""
    owner.says("trust", "create", "company", "--issuer", issuer.url, "--users", CLIENT, *more)


def test_somebody_signs_in_with_a_browser_runs_a_flow_and_signs_out(
    owner: Client, eve: Client, issuer: Issuer
) -> None:
    owner.says("member", "add", EVE, "--role", "developer")
    sign_in_at(owner, issuer)
    ended = eve.towpath("login", "--browser")
    assert ended.returncode == 0, ended.stderr
    assert "users/eve@example.org is signed in" in ended.stderr
    file = eve.home / "logins" / "default.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE((eve.home / "config.toml").stat().st_mode) == 0o600
    kept = json.loads(file.read_text())
    assert kept["refresh_token"] not in ended.stdout + ended.stderr
    assert eve.says("whoami").startswith("principal   users/eve@example.org")
    assert eve.python("-c", HELLO).returncode == 0
    assert [run["name"] for run in eve.runs()].count("hello") == 1
    # One exchange serves many commands.
    assert json.loads(file.read_text())["refresh_token"] == kept["refresh_token"]
    listed = json.loads(owner.says("key", "ls", "--of", EVE, "-o", "json"))
    assert [item["kind"] for item in listed] == ["CREDENTIAL_KIND_SIGN_IN"]
    assert "login removed from profile" in eve.towpath("logout").stderr
    assert not file.exists()
    assert eve.towpath("whoami").returncode == 4
    listed = json.loads(owner.says("key", "ls", "--of", EVE, "-o", "json"))
    assert "revoke_time" in listed[0]


def test_a_login_goes_on_by_refresh_tokens_in_any_number_of_processes(
    owner: Client, eve: Client, issuer: Issuer
) -> None:
    sign_in_at(owner, issuer, "--default-role", "developer")
    assert eve.towpath("login", "--browser").returncode == 0
    file = eve.home / "logins" / "default.json"
    first = json.loads(file.read_text())
    file.write_text(json.dumps({**first, "expires_at": 0}))
    at_once = [
        subprocess.Popen(
            [sys.executable, "-c", HELLO],
            env=environment(eve.home, **eve.settings),
            cwd=eve.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in at_once:
        _, told = process.communicate(timeout=240)
        assert process.returncode == 0
        assert "wait in the outbox" not in told
    following = json.loads(file.read_text())
    assert following["refresh_token"] != first["refresh_token"]
    assert [run["name"] for run in eve.runs()].count("hello") == 3
    # Only one of the three has used the token up: the others took what it got.
    assert json.loads(file.read_text()) == following


def test_a_login_is_shown_to_no_other_server(owner: Client, eve: Client, issuer: Issuer) -> None:
    sign_in_at(owner, issuer, "--default-role", "viewer")
    assert eve.towpath("login", "--browser").returncode == 0
    elsewhere = eve.towpath("whoami", TOWPATH_SERVER_ADDRESS="towpath.invalid:4200")
    assert elsewhere.returncode == 2
    assert "it isn't shown to towpath.invalid" in elsewhere.stderr


def test_whoever_the_issuer_refuses_is_told_why(owner: Client, eve: Client, issuer: Issuer) -> None:
    without = eve.towpath("login", "--browser")
    assert without.returncode == 1
    assert "no issuer" in without.stderr
    sign_in_at(owner, issuer)
    stranger = eve.towpath("login", "--browser")
    assert stranger.returncode == 4
    assert "eve@example.org is no member of this tenant" in stranger.stderr
    issuer.refuse = "access_denied"
    refused = eve.towpath("login", "--browser")
    assert refused.returncode == 4
    assert "access_denied" in refused.stderr
    issuer.down = True
    down = eve.towpath("login", "--browser")
    assert down.returncode == 1
    assert "is no issuer" in down.stderr
    assert not (eve.home / "logins" / "default.json").exists()


def test_a_device_is_signed_in_by_a_code_at_the_issuer(
    owner: Client, eve: Client, issuer: Issuer
) -> None:
    sign_in_at(owner, issuer, "--default-role", "viewer")
    ended = eve.towpath("login", "--device")
    assert ended.returncode == 0, ended.stderr
    assert "type ABCD-EFGH" in ended.stderr
    assert issuer.device_polls == 2
    assert "users/eve@example.org" in eve.says("whoami")


def test_a_device_is_signed_in_by_whoever_is_signed_in_elsewhere(
    owner: Client, eve: Client
) -> None:
    device = subprocess.Popen(
        [sys.executable, "-m", "towpath", "login", "--device"],
        env=environment(eve.home, **eve.settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert device.stderr is not None
    shown: list[str] = []
    for line in device.stderr:
        shown.append(line)
        if "--approve" in line:
            break
    code = shown[-1].split()[-1]
    rest = threading.Thread(target=lambda: shown.extend(device.stderr or ()))
    rest.start()
    asked = owner.towpath("login", "--approve", code)
    assert asked.returncode == 2
    assert "--yes" in asked.stderr
    approved = owner.towpath("login", "--approve", code.lower(), "--yes")
    assert approved.returncode == 0, approved.stderr
    assert device.wait(30) == 0
    rest.join()
    device.stderr.close()
    assert "users/ada@example.org is signed in" in "".join(shown)
    assert "users/ada@example.org" in eve.says("whoami")
    wrong = owner.towpath("login", "--approve", code, "--yes")
    assert wrong.returncode == 3


def test_a_program_comes_by_a_token_that_its_platform_keeps_in_a_file(
    owner: Client, issuer: Issuer, tmp_path: Path
) -> None:
    owner.says("service-account", "create", "nightly", "--role", "runner")
    keys = tmp_path / "jwks.json"
    keys.write_text(issuer.jwks())
    owner.says(
        *("trust", "create", "cluster", "--issuer", issuer.url, "--audience", "towpath"),
        *("--for", "nightly", "--kubernetes", "jobs/nightly", "--kubernetes-uid", "u-1"),
        *("--jwks-file", str(keys)),
    )
    assert "serviceAccounts/nightly" in owner.says("trust", "ls")
    token = tmp_path / "token"
    claims = {"kubernetes.io": {"serviceaccount": {"uid": "u-1"}}}
    subject = "system:serviceaccount:jobs:nightly"
    token.write_text(issuer.token(audience="towpath", sub=subject, **claims) + "\n")
    pod = Client(
        tmp_path / "pod",
        {
            "TOWPATH_SERVER_ADDRESS": owner.settings["TOWPATH_SERVER_ADDRESS"],
            "TOWPATH_TOKEN_FILE": str(token),
        },
    )
    assert pod.python("-c", HELLO).returncode == 0
    assert [run["name"] for run in pod.runs()].count("hello") == 1
    assert issuer.calls == []
    owner.says("trust", "rm", "cluster", "--yes")
    ended = pod.towpath("whoami")
    assert ended.returncode == 4
    token.unlink()
    missing = pod.towpath("whoami")
    assert "TOWPATH_TOKEN_FILE names it" in missing.stderr
