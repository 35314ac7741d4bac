"""Messages about identity and TLS in docs/guides/troubleshooting.md, each brought about.

What is shown fits the page's message word by word, and the exit code is the one that it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.certificates import Authority
from tests.scenarios.guides import GUIDES, Terminal, id_of, key_in
from tests.scenarios.servers import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.subject("cli")

Ended = tuple[int, str]
ROW = re.compile(r"^\| `(?P<message>[^`]+)`(?: \(exit code (?P<code>\d+)\))? \|", re.MULTILINE)
FORBIDDEN = 4
PIPELINE = "from towpath import flow\n@flow\ndef f(): return 1\nf()\n"


@dataclass
class Place:
    """A server with identity and another one with TLS, and who calls them."""

    plain: Terminal
    secure: Terminal
    stranger: Terminal
    """In a home without a server."""
    authority: Authority
    owner: str
    eve: str
    """Owner of another tenant."""

    def calls(self, command: str, key: str = "", **settings: str) -> Ended:
        """Has somebody with a key call the server without TLS."""
        return self.plain.tries(command, TOWPATH_API_KEY=key, **settings)

    def calls_over_tls(self, **settings: str) -> Ended:
        known = {
            "TOWPATH_SERVER_ADDRESS": self.secure.address,
            "TOWPATH_SERVER_CA_FILE": str(self.authority.file),
        }
        return self.stranger.tries("towpath whoami", **{**known, **settings})

    def makes(self, command: str) -> str:
        """Has the owner make a key."""
        return key_in(self.plain.runs(command, TOWPATH_API_KEY=self.owner))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("messages")
    plain, secure, stranger = (
        Terminal(folder / name, folder / "bin") for name in ("plain", "secure", "stranger")
    )
    authority = Authority(folder / "pki")
    pair = authority.sign("server")
    try:
        owner = key_in(plain.runs("towpath server init-auth"))
        plain.serves("towpath server start", typed=False)
        tls = f"--tls-cert {pair.certificate} --tls-key {pair.key}"
        secure.serves(f"towpath server start {tls}", typed=False)
        eve = key_in(
            plain.runs("towpath tenant create acme --owner eve@acme.test", TOWPATH_API_KEY=owner)
        )
        yield Place(plain, secure, stranger, authority, owner, eve)
    finally:
        plain.stops()
        secure.stops()


def revoked(place: Place) -> Ended:
    key = place.makes("towpath key create")
    place.calls(f"towpath key revoke {id_of(key)} --yes", place.owner)
    return place.calls("towpath whoami", key)


def without_a_role(place: Place) -> Ended:
    place.calls("towpath workspace create team-a", place.owner)
    bob = place.makes(
        "towpath member add bob@example.org --role viewer --workspace team-a --with-key"
    )
    return place.calls("towpath run ls", bob)


def suspended(place: Place) -> Ended:
    place.calls("towpath tenant suspend acme --yes", place.owner)
    ended = place.calls("towpath whoami", place.eve)
    place.calls("towpath tenant resume acme", place.owner)
    return ended


def too_often(place: Place) -> Ended:
    place.calls("towpath tenant limit acme --calls-per-second 1", place.owner)
    ended = place.calls("for n in {1..9}; do towpath role ls || exit; done", place.eve)
    place.calls("towpath tenant limit acme --calls-per-second 0", place.owner)
    # What it owes for tokens is paid off as it was made.
    wait_until(lambda: place.calls("towpath whoami", place.eve)[0] == 0, "it gets tokens again")
    return ended


def too_many_bytes(place: Place) -> Ended:
    place.calls("towpath tenant limit acme --stored-bytes 1", place.owner)
    file = place.plain.home / "pipeline.py"
    file.write_text(PIPELINE)
    # What begins below the limit is taken as a whole.
    place.calls(f"python {file}", place.eve)
    ended = place.calls(f"python {file}", place.eve, TOWPATH_FLUSH_TIMEOUT_SECONDS="12")
    place.calls("towpath tenant limit acme --stored-bytes 0", place.owner)
    return ended


def too_many_keys(place: Place) -> Ended:
    place.makes(
        "towpath service-account create full --role runner && towpath key create --for full"
    )
    return place.calls(
        "for n in {1..10}; do towpath key create --for full || exit; done", place.owner
    )


def starts(place: Place, options: str, key: str | None = None, mode: int = 0o600) -> Ended:
    """A server on a home of its own; with identity there already, where a key is given for it."""
    home = place.stranger.home.parent / f"home-{len(list(place.stranger.home.parent.iterdir()))}"
    terminal = Terminal(home, place.stranger.programs)
    if key is not None:
        terminal.runs("towpath server init-auth")
        (home / "server.key").unlink()
    if key:
        (home / "server.key").write_text(key)
        (home / "server.key").chmod(mode)
    return terminal.tries(f"towpath server start --port 0 --web-port 0 {options}")


def half_a_pair(place: Place) -> Ended:
    one, other = place.authority.sign("one"), place.authority.sign("other")
    return starts(place, f"--tls-cert {one.certificate} --tls-key {other.key}")


def another_authority(place: Place) -> Ended:
    foreign = Authority(place.stranger.home.parent / "foreign", "foreign")
    return place.calls_over_tls(TOWPATH_SERVER_CA_FILE=str(foreign.file))


ANOTHER_KEY = "A" * 43 + "="
CASES: dict[str, Callable[[Place], Ended]] = {
    "this server asks who calls": lambda place: place.calls("towpath whoami"),
    "server.api_key must be": lambda place: place.calls("towpath whoami", "nonsense"),
    "invalid credentials": lambda place: place.calls(
        "towpath whoami", place.owner[:-1] + ("0" if place.owner[-1] != "0" else "1")
    ),
    "the credential no longer holds": revoked,
    "you lack": without_a_role,
    "this tenant has no issuer": lambda place: place.calls("towpath login --browser"),
    "the tenant is suspended": suspended,
    "identity is on already": lambda place: place.plain.tries("towpath server init-auth"),
    "over the limit": too_often,
    "the server takes no new runs": too_many_bytes,
    "... has 10 valid keys": too_many_keys,
    "... would get your credentials": lambda place: place.stranger.tries(
        "towpath --server 192.0.2.1:4200 whoami",
        TOWPATH_API_KEY=place.owner,
        TOWPATH_SERVER_TLS="off",
    ),
    "its certificate isn't": another_authority,
    "it speaks TLS": lambda place: place.calls_over_tls(TOWPATH_SERVER_TLS="off"),
    "it speaks plain text": lambda place: place.calls_over_tls(
        TOWPATH_SERVER_ADDRESS=place.plain.address
    ),
    "server.ca_file": lambda place: place.calls_over_tls(TOWPATH_SERVER_CA_FILE="nowhere.pem"),
    "--host ... would let anybody": lambda place: starts(place, "--host 0.0.0.0"),
    "--host ... would send keys": lambda place: starts(place, "--host 0.0.0.0 --auth"),
    "... isn't the key of": half_a_pair,
    "The service's secrets": lambda place: starts(place, "", key=""),
    "the secret ... doesn't open": lambda place: starts(place, "", key=ANOTHER_KEY),
    "... is open to others": lambda place: starts(place, "", key=ANOTHER_KEY, mode=0o644),
}


def rows() -> Iterator[tuple[str, int | None]]:
    """Messages of the page with the exit codes that it names."""
    page = (GUIDES / "troubleshooting.md").read_text(encoding="utf-8")
    for section in page.partition("\n### ")[2].split("\n### "):
        usual = FORBIDDEN if f"exit code {FORBIDDEN}, unless" in section else None
        for row in ROW.finditer(section):
            yield row["message"], int(row["code"]) if row["code"] else usual


def said(message: str) -> str:
    """What of a message is the same each time, as an expression."""
    gaps = re.sub(r"\\\.\\\.\\\.", ".*", re.escape(message))
    return re.sub(r"\d+", r"\\d+", gaps)


@pytest.mark.parametrize("beginning", CASES)
def test_what_is_shown_is_what_the_page_explains(place: Place, beginning: str) -> None:
    ((message, code),) = [row for row in rows() if row[0].startswith(beginning)]
    ended, shown = CASES[beginning](place)
    assert re.search(said(message), " ".join(shown.split())), shown
    assert "Traceback" not in shown
    if code is not None:
        assert ended == code
