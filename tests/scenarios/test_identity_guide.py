"""docs/guides/identity.md, walked command by command as somebody who copies them would.

A section's walk types all its commands in the guide's order; a section without a walk fails.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import ssl
import sys
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.issuer.server import CLIENT, running_issuer
from tests.scenarios.certificates import Authority
from tests.scenarios.guides import Terminal, commands_of, id_of, key_in
from tests.scenarios.test_sign_in import BROWSER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.subject("identity")

SECTIONS = commands_of("identity")
YES = "y"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path / "home", tmp_path / "bin")
    yield made
    made.stops()


def begin(terminal: Terminal, *options: str) -> str:
    """Does what the guide begins with, and returns the owner's key."""
    key = key_in(terminal.runs("towpath server init-auth --owner ada@example.org"))
    terminal.serves("towpath server start", *options, typed=False)
    terminal.settings["TOWPATH_API_KEY"] = key
    return key


def first_steps(terminal: Terminal) -> None:
    shown = terminal.types("towpath server init-auth --owner ada@example.org")
    assert "ada@example.org owns tenant main" in shown
    assert (terminal.home / "server.key").stat().st_mode & 0o777 == 0o600
    terminal.serves("towpath server start")
    assert "this server asks who calls" in terminal.runs("towpath whoami", ends=4)
    terminal.stands_for["twpu_..."] = key_in(shown)
    terminal.types("export TOWPATH_API_KEY=twpu_...")
    assert "users/ada@example.org" in terminal.types("towpath whoami")
    another = key_in(terminal.types("towpath server recover-owner"))
    assert another != key_in(shown)
    shown = terminal.runs("towpath whoami", TOWPATH_API_KEY=another)
    assert "users/ada@example.org" in shown


def keys(terminal: Terminal) -> None:
    begin(terminal)
    laptop = key_in(terminal.types("towpath key create --name laptop"))
    narrow = key_in(
        terminal.types("towpath key create --permission run.read --workspace default --expires 30d")
    )
    listed = terminal.types("towpath key ls")
    assert f"{id_of(laptop)}  API key  laptop " in listed
    assert "run.read, workspaces/default" in listed
    assert laptop not in listed
    terminal.runs("towpath run ls", TOWPATH_API_KEY=narrow)
    refused = terminal.runs("towpath flow ls", TOWPATH_API_KEY=narrow, ends=4)
    assert "you lack flow.read" in refused
    terminal.stands_for["ID"] = id_of(laptop)
    following = key_in(terminal.types("towpath key rotate ID --overlap 1d"))
    for key in (laptop, following):
        terminal.runs("towpath whoami", TOWPATH_API_KEY=key)
    shown = terminal.types("towpath key revoke ID", answers={"Go on? [y/N]: ": YES})
    assert f"{id_of(laptop)} revoked" in shown
    refused = terminal.runs("towpath whoami", TOWPATH_API_KEY=laptop, ends=4)
    assert "it was revoked" in refused
    terminal.types("unset TOWPATH_API_KEY")
    shown = terminal.types("towpath login", answers={"API key: ": following})
    assert "users/ada@example.org is signed in" in shown
    assert following not in shown
    assert "users/ada@example.org" in terminal.runs("towpath whoami")
    assert "key removed from profile default" in terminal.types("towpath logout")
    terminal.runs("towpath whoami", ends=4)
    terminal.runs("towpath whoami", TOWPATH_API_KEY=following)


def signing_in(terminal: Terminal) -> None:
    begin(terminal, "--private-issuers")
    script = terminal.home / "browser.py"
    script.write_text(BROWSER)
    terminal.settings["BROWSER"] = f"{sys.executable} {script} %s &"
    with running_issuer() as issuer:
        issuer.email = "eve@example.org"
        terminal.stands_for["https://login.example.org"] = issuer.url
        assert CLIENT == "towpath-cli"
        shown = terminal.types(
            "towpath trust create company --issuer https://login.example.org"
            " --users towpath-cli --default-role viewer"
        )
        assert "people sign in with `towpath login`" in shown
        del terminal.settings["TOWPATH_API_KEY"]
        shown = terminal.types("towpath login", terminal=True)
        assert "users/eve@example.org is signed in" in shown
        assert "users/eve@example.org" in terminal.types("towpath whoami")
        assert "login removed from profile default" in terminal.types("towpath logout")
        terminal.runs("towpath whoami", ends=4)
        shown = terminal.types("towpath login --device")
        assert "type ABCD-EFGH" in shown
        assert "users/eve@example.org is signed in" in shown


def programs(terminal: Terminal) -> None:
    begin(terminal, "--private-issuers")
    with running_issuer() as cluster, running_issuer() as ci:
        terminal.stands_for["https://oidc.example.org/cluster"] = cluster.url
        terminal.stands_for["https://token.actions.githubusercontent.com"] = ci.url
        terminal.types("towpath service-account create nightly --role runner")
        shown = terminal.types(
            "towpath trust create cluster --issuer https://oidc.example.org/cluster"
            " --audience towpath --for nightly --kubernetes jobs/nightly"
        )
        assert "set TOWPATH_TOKEN_FILE to a file" in shown
        terminal.types(
            "towpath trust create ci --issuer https://token.actions.githubusercontent.com"
            " --audience towpath --for nightly --claim sub=repo:acme/etl:ref:refs/heads/main"
        )
        listed = terminal.types("towpath trust ls")
        assert "sub=system:serviceaccount:jobs:nightly" in listed
        assert "sub=repo:acme/etl:ref:refs/heads/main" in listed
        owner = terminal.settings.pop("TOWPATH_API_KEY")
        pod, job = (terminal.home / name for name in ("pod-token", "job-token"))
        subject = "system:serviceaccount:jobs:nightly"
        pod.write_text(cluster.token(audience="towpath", sub=subject))
        job.write_text(ci.token(audience="towpath", sub="repo:acme/etl:ref:refs/heads/main"))
        for file in (pod, job):
            shown = terminal.runs("towpath whoami", TOWPATH_TOKEN_FILE=str(file))
            assert "serviceAccounts/nightly" in shown
        job.write_text(ci.token(audience="towpath", sub="repo:acme/etl:ref:refs/heads/other"))
        terminal.runs("towpath whoami", TOWPATH_TOKEN_FILE=str(job), ends=4)
        job.write_text(ci.token(audience="towpath", sub="repo:acme/etl:ref:refs/heads/main"))
        terminal.settings["TOWPATH_API_KEY"] = owner
        terminal.types("towpath trust rm ci", answers={"Go on? [y/N]: ": YES})
        del terminal.settings["TOWPATH_API_KEY"]
        terminal.runs("towpath whoami", TOWPATH_TOKEN_FILE=str(job), ends=4)
        terminal.runs("towpath whoami", TOWPATH_TOKEN_FILE=str(pod))


def people(terminal: Terminal) -> None:
    begin(terminal)
    terminal.types("towpath workspace create team-a")
    assert "team-a" in terminal.types("towpath workspace ls")
    bob = key_in(
        terminal.types(
            "towpath member add bob@example.org --role developer --workspace team-a --with-key"
        )
    )
    _enters(terminal, bob, team_a=True, default=False)
    terminal.types("towpath member add bob@example.org --role viewer")
    _enters(terminal, bob, team_a=True, default=True)
    listed = terminal.types("towpath member ls").split("\n")
    assert [line.split()[1:3] for line in listed if line.startswith("users/bob@")] == [
        ["developer", "team-a"],
        ["viewer", "all"],
    ]
    terminal.types("towpath service-account create etl --role runner --workspace team-a")
    shown = terminal.types("towpath service-account grant etl viewer --workspace default")
    assert "serviceAccounts/etl has role viewer in workspace default" in shown
    assert "etl" in terminal.types("towpath service-account ls")
    etl = key_in(terminal.types('towpath key create --for etl --name "nightly jobs"'))
    shown = terminal.types("towpath workspace use team-a")
    assert "now uses workspace team-a" in shown
    assert "report" in terminal.runs("towpath whoami", TOWPATH_API_KEY=etl)
    _roles(terminal)
    _enters(terminal, bob, team_a=True, default=True)
    shown = terminal.types(
        "towpath member rm bob@example.org --role viewer", answers={"[y/N]: ": YES}
    )
    assert "role viewer of bob@example.org removed" in shown
    _enters(terminal, bob, team_a=True, default=False)
    terminal.types("towpath member rm bob@example.org", answers={"[y/N]: ": YES})
    terminal.runs("towpath whoami", TOWPATH_API_KEY=bob, ends=4)
    shown = terminal.types("towpath role delete auditing", answers={"[y/N]: ": YES})
    assert "role auditing deleted" in shown
    terminal.types("towpath service-account delete etl", answers={"[y/N]: ": YES})
    terminal.runs("towpath whoami", TOWPATH_API_KEY=etl, ends=4)
    terminal.types("towpath workspace use default")
    shown = terminal.types("towpath workspace delete team-a", answers={"[y/N]: ": YES})
    assert "workspace team-a deleted" in shown


def _roles(terminal: Terminal) -> None:
    listed = terminal.types("towpath role ls")
    assert "workspace-admin  built in" in listed
    terminal.types("towpath role create auditing run.read log.read audit.read")
    assert "auditing         custom    audit.read, log.read, run.read" in terminal.runs(
        "towpath role ls"
    )


def _enters(terminal: Terminal, key: str, **workspaces: bool) -> None:
    """Tries which workspaces a key sees runs of."""
    for workspace, enters in workspaces.items():
        terminal.runs(
            "towpath run ls",
            ends=0 if enters else 4,
            TOWPATH_API_KEY=key,
            TOWPATH_WORKSPACE=workspace.replace("_", "-"),
        )


def tenants(terminal: Terminal) -> None:
    begin(terminal)
    eve = key_in(terminal.types("towpath tenant create acme --owner eve@acme.test"))
    listed = terminal.types("towpath tenant ls")
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [
        ["acme", "active"],
        ["main", "active"],
    ]
    terminal.types("towpath tenant limit acme --updates-per-second 5000")
    assert "5000/s" in terminal.runs("towpath usage", TOWPATH_API_KEY=eve)
    assert "updates-per-second    5000\n" in terminal.types("towpath tenant inspect acme")
    shown = terminal.types("towpath tenant suspend acme", answers={"Go on? [y/N]: ": YES})
    assert "tenant acme suspended" in shown
    refused = terminal.runs("towpath whoami", TOWPATH_API_KEY=eve, ends=4)
    assert "the tenant is suspended" in refused
    terminal.types("towpath tenant resume acme")
    assert "users/eve@acme.test" in terminal.runs("towpath whoami", TOWPATH_API_KEY=eve)
    shown = terminal.types("towpath usage")
    assert "stored_bytes" in shown
    assert "20000/s" in shown


def audit(terminal: Terminal) -> None:
    begin(terminal)
    terminal.runs("towpath workspace create team-a")
    terminal.runs("towpath key create --permission no.such", ends=2)
    shown = terminal.types("towpath audit ls --limit 20")
    assert "users/ada@example.org  workspace.create" in shown
    terminal.types("towpath audit export > audit.jsonl")
    lines = (terminal.home / "audit.jsonl").read_text().splitlines()
    told = [(entry["action"], entry["outcome"]) for entry in map(json.loads, lines)]
    assert told[:2] == [("key.create", "INVALID_ARGUMENT"), ("workspace.create", "OK")]
    shown = terminal.types("towpath audit verify")
    assert f"all {len(told)} entries are as they were written" in shown
    terminal.types("towpath audit verify --against audit.jsonl")
    with closing(sqlite3.connect(terminal.home / "towpath.db")) as database, database:
        database.execute("UPDATE audit_entry SET actor = 'users/eve@example.org'")
    assert "tampered with" in terminal.runs("towpath audit verify", ends=1)


def own_keys(terminal: Terminal) -> None:
    begin(terminal)
    assert "signs access tokens" in terminal.types("towpath server rotate-keys")
    terminal.runs("towpath whoami")
    shown = terminal.types("towpath server rotate-keys --new-key-file new.key")
    assert "sealed with file:new.key: restart every server" in shown
    terminal.stops()
    terminal.serves("towpath server start --key-file new.key")
    (terminal.home / "server.key").unlink()
    assert "users/ada@example.org" in terminal.runs("towpath whoami")


def tokens_that_others_verify(terminal: Terminal) -> None:
    authority = Authority(terminal.home / "pki")
    pair = authority.sign("server")
    shutil.copy(pair.certificate, terminal.home / "tls.pem")
    shutil.copy(pair.key, terminal.home / "tls.key")
    terminal.stands_for["0.0.0.0"] = "127.0.0.1"
    terminal.serves(
        "towpath server start --host 0.0.0.0 --auth --tls-cert tls.pem --tls-key tls.key"
        " --public-url https://towpath.example.com:4201"
    )
    document = f"{terminal.web_address}/.well-known/openid-configuration"
    trusting = ssl.create_default_context(cafile=authority.file)
    with urllib.request.urlopen(document, context=trusting) as answer:
        assert json.load(answer)["issuer"] == "https://towpath.example.com:4201"


WALKS = {
    "Identity: who calls, and what they may do": first_steps,
    "Keys": keys,
    "Signing in": signing_in,
    "Programs that have an identity already": programs,
    "People, programs, roles": people,
    "Tenants": tenants,
    "The audit log": audit,
    "The service's own keys": own_keys,
    "Tokens that others verify": tokens_that_others_verify,
}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_commands_of_a_section_do_what_it_says(section: str, terminal: Terminal) -> None:
    WALKS[section](terminal)
    assert terminal.typed == SECTIONS[section]


def test_every_section_with_commands_is_walked() -> None:
    assert WALKS.keys() == SECTIONS.keys()


def test_on_postgresql_every_server_needs_the_key_that_init_auth_made(
    tmp_path: Path, postgres_dsn: str
) -> None:
    where = f"--database '{postgres_dsn}'"
    first, other = (Terminal(tmp_path / name, tmp_path / "bin") for name in ("first", "other"))
    key = key_in(first.runs(f"towpath server init-auth --owner ada@example.org {where}"))
    refused = other.runs(f"towpath server start {where} --port 0 --web-port 0", ends=1)
    assert "The service's secrets are sealed with the key in it: bring it back" in refused
    shutil.copy(first.home / "server.key", other.home / "server.key")
    other.serves(f"towpath server start {where}", typed=False)
    try:
        assert "users/ada@example.org" in other.runs("towpath whoami", TOWPATH_API_KEY=key)
    finally:
        other.stops()
