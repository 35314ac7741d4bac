"""Servers that others can reach: refused without TLS and identity, certificates replaced."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.certificates import Authority, Pair
from tests.scenarios.clients import FORKING, Client, init_auth
from tests.scenarios.commands import towpath
from tests.scenarios.servers import Server, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.subject("identity")


EXPOSED = {
    "to all without identity": (("--host", "0.0.0.0"), "--auth"),
    "to all in plain text": (("--host", "0.0.0.0", "--auth"), "--tls-cert"),
    "as a cloud without anything": (("--cloud",), "identity (--auth)"),
    "as a cloud on SQLite": (("--cloud", "--auth", "--behind-tls-proxy"), "PostgreSQL"),
    "as a cloud in plain text": (("--cloud", "--auth"), "TLS"),
    "with half a certificate": (("--tls-cert", "x.pem"), "belong together"),
    "with an authority alone": (("--tls-client-ca", "x.pem"), "--tls-cert"),
}


@pytest.mark.parametrize("how", EXPOSED)
def test_a_server_that_others_could_misuse_doesnt_start(tmp_path: Path, how: str) -> None:
    options, said = EXPOSED[how]
    ended = towpath(tmp_path, "server", "start", "--port", "0", "--web-port", "0", *options)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_cloud_refuses_a_role_that_passes_the_wall_by(tmp_path: Path, postgres_dsn: str) -> None:
    init_auth(tmp_path, "--database", postgres_dsn)
    ended = towpath(
        tmp_path,
        *("server", "start", "--port", "0", "--web-port", "0", "--cloud"),
        *("--behind-tls-proxy", "--database", postgres_dsn),
    )
    assert ended.returncode == 2
    assert "BYPASSRLS" in ended.stderr


@dataclass
class Secure:
    """A server that speaks TLS, and an owner's client."""

    server: Server
    authority: Authority
    pair: Pair
    owner: Client


@pytest.fixture
def over_tls(make_server: Callable[..., Server], tmp_path: Path) -> Secure:
    authority = Authority(tmp_path / "pki")
    pair = authority.sign("server")
    server = make_server(options=("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)))
    key = init_auth(server.home)
    server.start()
    settings = {
        "TOWPATH_SERVER_ADDRESS": server.address,
        "TOWPATH_SERVER_WEB_ADDRESS": f"https://127.0.0.1:{server.web_port}",
        "TOWPATH_SERVER_CA_FILE": str(authority.file),
        "TOWPATH_API_KEY": key,
    }
    return Secure(server, authority, pair, Client(tmp_path / "owner", settings))


def test_a_certificate_is_replaced_without_a_restart(over_tls: Secure, tmp_path: Path) -> None:
    owner, pair = over_tls.owner, over_tls.pair
    assert owner.python("-c", FORKING).returncode == 0
    assert {"parent", "child"} <= {run["name"] for run in owner.runs()}
    other = Authority(tmp_path / "other", "other")
    following = other.sign("following")
    # Half of a pair is used by nobody.
    pair.certificate.write_bytes(following.certificate.read_bytes())
    assert owner.says("whoami")
    wait_until(lambda: "isn't the key of" in over_tls.server.log, "the pair is passed over")
    pair.key.write_bytes(following.key.read_bytes())
    owner.settings["TOWPATH_SERVER_CA_FILE"] = str(other.file)
    assert owner.says("whoami")
    web = ("127.0.0.1", over_tls.server.web_port)
    wait_until(
        lambda: ssl.get_server_certificate(web) == following.certificate.read_text(),
        "the web port shows the new certificate",
    )
    assert owner.python("-c", FORKING).returncode == 0
    assert [run["name"] for run in owner.runs()].count("child") == 2


def test_what_is_wrong_with_tls_is_said_with_the_setting_that_mends_it(
    over_tls: Secure, tmp_path: Path
) -> None:
    owner = over_tls.owner
    foreign = Authority(tmp_path / "foreign", "foreign")
    cases = {
        "server.ca_file": {"TOWPATH_SERVER_CA_FILE": str(foreign.file)},
        "can't be read": {"TOWPATH_SERVER_CA_FILE": str(tmp_path / "nowhere.pem")},
        "speaks TLS": {"TOWPATH_SERVER_TLS": "off"},
    }
    for said, settings in cases.items():
        ended = owner.towpath("whoami", **settings)
        assert ended.returncode in {2, 6}, (said, ended.stderr)
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_certificate_that_cant_be_used_is_refused_at_the_start(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    one, other = authority.sign("one"), authority.sign("other")
    broken = tmp_path / "broken.pem"
    broken.write_text("nonsense")
    for certificate, key, said in (
        (one.certificate, other.key, "isn't the key of"),
        (broken, one.key, "holds no certificate"),
        (one.certificate, broken, "holds no key"),
        (tmp_path / "nowhere.pem", one.key, "can't be read"),
    ):
        ended = towpath(
            tmp_path,
            *("server", "start", "--port", "0", "--web-port", "0"),
            *("--tls-cert", str(certificate), "--tls-key", str(key)),
        )
        assert ended.returncode == 1
        assert said in ended.stderr
