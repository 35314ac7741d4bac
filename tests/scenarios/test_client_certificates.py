"""A server that asks callers for certificates lets nobody in with a wrong one, on neither port."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.scenarios.certificates import Authority, Pair
from tests.scenarios.clients import Client, init_auth
from tests.scenarios.commands import towpath

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("app", "transport")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A server that asks for certificates."""

    server: Server
    authority: Authority
    owner: Client

    def over_grpc(self, pair: Pair | None) -> bool:
        """Whether the command gets through with a certificate; it says what is wrong if not."""
        shown: dict[str, str] = {}
        if pair is not None:
            shown["TOWPATH_SERVER_CLIENT_CERT"] = str(pair.certificate)
            shown["TOWPATH_SERVER_CLIENT_KEY"] = str(pair.key)
        ended = self.owner.towpath("whoami", **shown)
        assert "Traceback" not in ended.stderr
        assert ended.returncode in {0, 6}, ended.stderr
        assert ended.returncode == 0 or "server.client_cert" in ended.stderr
        return ended.returncode == 0

    def over_http(self, pair: Pair | None) -> bool:
        """Whether a request gets through with a certificate."""
        context = ssl.create_default_context(cafile=self.authority.file)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.server.web_port, timeout=20, context=context
        )
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (ssl.SSLError, ConnectionError):
            return False
        finally:
            connection.close()


@pytest.fixture
def asking(make_server: Callable[..., Server], tmp_path: Path) -> Asking:
    authority = Authority(tmp_path / "pki")
    pair = authority.sign("server")
    server = make_server(
        options=(
            *("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)),
            *("--tls-client-ca", str(authority.file)),
        )
    )
    key = init_auth(server.home)
    server.start()
    settings = {
        "TOWPATH_SERVER_ADDRESS": server.address,
        "TOWPATH_SERVER_CA_FILE": str(authority.file),
        "TOWPATH_API_KEY": key,
    }
    return Asking(server=server, authority=authority, owner=Client(tmp_path / "owner", settings))


def test_only_a_certificate_of_the_authority_that_holds_gets_through(
    asking: Asking, tmp_path: Path
) -> None:
    # Of the same name, too: what counts is who signed it.
    foreign = Authority(tmp_path / "foreign")
    shown = {
        "one of the authority": asking.authority.sign("mine"),
        "none": None,
        "one of another authority": foreign.sign("mine"),
        "one that has expired": asking.authority.sign("old", days=-1),
    }
    for through in (asking.over_grpc, asking.over_http):
        assert [what for what, pair in shown.items() if through(pair)] == ["one of the authority"]


def test_an_authority_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    pair = Authority(tmp_path / "pki").sign("server")
    garbage = tmp_path / "clients.pem"
    garbage.write_text("nonsense")
    ended = towpath(
        tmp_path,
        *("server", "start", "--port", "0", "--web-port", "0"),
        *("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)),
        *("--tls-client-ca", str(garbage)),
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"Error: {garbage} holds no certificate in PEM format: mend it, or name another\n"
    )
