"""The web port as other machines meet it: by a real name, over TLS, without a wall in between."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from towpath.api.v1 import run_service_pb2

from tests.in_process.edges import frame
from tests.scenarios.certificates import Authority
from tests.scenarios.clients import FORKING, Client, init_auth
from tests.scenarios.commands import towpath

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.scenarios.servers import Server

pytestmark = pytest.mark.subject("web")

# Of this machine, and none of the names that stand for loopback.
ADDRESS = "127.0.0.2"
EXCHANGE = "/towpath.api.v1.AuthService/ExchangeToken"
LIST = "/towpath.api.v1.RunService/ListRuns"
REQUEST = run_service_pb2.ListRunsRequest(parent="workspaces/default").SerializeToString()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A server's web port, called by a name."""

    server: Server
    authority: Authority
    key: str

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        *,
        host: str,
        method: str = "",
        **headers: str,
    ) -> Reply:
        """One request; underscores in the names of headers stand for dashes."""
        context = ssl.create_default_context(cafile=self.authority.file)
        connection = http.client.HTTPSConnection(
            ADDRESS, self.server.web_port, timeout=20, context=context
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            method = method or ("GET" if body is None else "POST")
            connection.request(method, path, body, {"Host": host, **named})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(status=answer.status, headers=told, body=answer.read())
        finally:
            connection.close()

    def connect(self, path: str, request: Mapping[str, Any], *, host: str, **headers: str) -> Reply:
        """A unary call over Connect in JSON."""
        body = json.dumps(request).encode()
        return self.ask(path, body, host=host, content_type="application/json", **headers)

    def token(self, host: str) -> str:
        """An access token for the owner's key."""
        reply = self.connect(EXCHANGE, {"apiKey": self.key}, host=host)
        assert reply.status == 200, reply
        return str(reply.json["accessToken"])


@pytest.fixture
def port(make_server: Callable[..., Server], tmp_path: Path) -> Port:
    """The server that the guide starts."""
    authority = Authority(tmp_path / "pki")
    pair = authority.sign("server", host=ADDRESS)
    server = make_server(
        options=(
            *("--host", "0.0.0.0", "--auth"),
            *("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key)),
        )
    )
    server.options = (*server.options, "--public-url", f"https://{ADDRESS}:{server.web_port}/")
    key = init_auth(server.home)
    server.start()
    return Port(server=server, authority=authority, key=key)


@pytest.mark.parametrize(
    "host", ["towpath.example.com", "towpath.example.com:443", "192.0.2.7:4201", "127.0.0.1"]
)
def test_a_server_for_other_machines_answers_by_whatever_name_they_know(
    port: Port, host: str
) -> None:
    assert port.ask("/healthz", host=host).status == 200
    assert port.ask("/.well-known/jwks.json", host=host).json["keys"]
    bearer = f"Bearer {port.token(host)}"
    asked = {"parent": "workspaces/default"}
    assert port.connect(LIST, asked, host=host, authorization=bearer).status == 200
    over_grpc_web = port.ask(
        LIST,
        frame(REQUEST),
        host=host,
        content_type="application/grpc-web+proto",
        authorization=bearer,
    )
    assert b"grpc-status:0" in over_grpc_web.body.replace(b" ", b"")


def test_a_page_of_a_rebound_name_learns_nothing_without_a_token(port: Port) -> None:
    reply = port.connect(
        LIST,
        {"parent": "workspaces/default"},
        host="evil.example",
        origin="https://evil.example",
        cookie="token=whatever",
    )
    assert reply.status == 401
    assert reply.json["code"] == "unauthenticated"


def test_no_answer_lets_pages_of_other_sites_read_it(port: Port) -> None:
    asked = {"origin": "https://evil.example", "access_control_request_method": "POST"}
    for method, path in (("OPTIONS", LIST), ("GET", "/healthz"), ("GET", "/.well-known/jwks.json")):
        told = port.ask(path, None, method=method, host="towpath.example.com", **asked).headers
        assert not {name for name in told if name.startswith("access-control-")}
        assert "set-cookie" not in told


def test_others_verify_tokens_by_nothing_but_the_public_url(port: Port) -> None:
    issuer = f"https://{ADDRESS}:{port.server.web_port}"
    named = port.ask("/.well-known/openid-configuration", host="evil.example").json
    assert named["issuer"] == issuer
    trusted = ssl.create_default_context(cafile=port.authority.file)
    keys = jwt.PyJWKClient(named["jwks_uri"], ssl_context=trusted)
    token = port.token(ADDRESS)
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=named["id_token_signing_alg_values_supported"],
        audience="towpath-api",
        issuer=issuer,
    )
    assert claims["sub"].startswith("users/")


def test_a_server_that_wasnt_told_its_address_names_no_issuer(
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    init_auth(server.home)
    server.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.web_port, timeout=20)
    try:
        connection.request("GET", "/.well-known/openid-configuration")
        answer = connection.getresponse()
        assert answer.status == 404
        assert b"--public-url" in answer.read()
        connection.request("GET", "/.well-known/jwks.json")
        assert json.load(connection.getresponse())["keys"]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("given", "said"),
    [("http://towpath.example.com", "https://"), ("https://a.example/path", "without path")],
)
def test_an_address_that_others_cant_trust_is_wrong_usage(
    tmp_path: Path, given: str, said: str
) -> None:
    for options, settings in (
        (("--public-url", given), {}),
        ((), {"TOWPATH_SERVER_PUBLIC_URL": given}),
    ):
        ended = towpath(tmp_path, "server", "start", *options, **settings)
        assert ended.returncode == 2
        assert "--public-url" in ended.stderr
        assert said in ended.stderr


def test_a_forked_child_of_another_machine_reports(port: Port, tmp_path: Path) -> None:
    client = Client(
        tmp_path / "client",
        {
            "TOWPATH_SERVER_ADDRESS": f"{ADDRESS}:{port.server.port}",
            "TOWPATH_SERVER_WEB_ADDRESS": f"https://{ADDRESS}:{port.server.web_port}",
            "TOWPATH_SERVER_CA_FILE": str(port.authority.file),
            "TOWPATH_API_KEY": port.key,
        },
    )
    ended = client.python("-c", FORKING)
    assert ended.returncode == 0, ended.stderr
    assert "wait in the outbox" not in ended.stderr
    assert {"parent", "child"} <= {run["name"] for run in client.runs()}
