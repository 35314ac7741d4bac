"""Identity from end to end: real servers, the command line, pipelines with keys."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from towpath.api.v1 import auth_service_pb2, auth_service_pb2_grpc

from tests.examples.places import EXAMPLES
from tests.scenarios.certificates import Authority
from tests.scenarios.clients import FORKING, HELLO, Client, init_auth
from tests.scenarios.commands import towpath
from tests.scenarios.servers import Server, environment, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.subject("identity")


@pytest.fixture
def secured(make_server: Callable[..., Server], tmp_path: Path) -> tuple[Server, Client]:
    """A server with identity on SQLite, and its owner."""
    server = make_server()
    key = init_auth(server.home)
    server.start()
    owner = Client(
        tmp_path / "owner", {"TOWPATH_SERVER_ADDRESS": server.address, "TOWPATH_API_KEY": key}
    )
    return server, owner


def test_the_example_runs_as_a_tenant_with_a_key_over_tls_on_postgresql(
    tmp_path: Path, held_dsn: str
) -> None:
    authority = Authority(tmp_path / "pki")
    pair = authority.sign("server")
    tls = ("--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    server = Server(home=tmp_path / "server", dsn=held_dsn, options=("--cloud", *tls))
    key = init_auth(server.home, "--database", held_dsn, "--expires", "forever")
    server.start()
    try:
        known = {
            "TOWPATH_SERVER_ADDRESS": server.address,
            "TOWPATH_SERVER_CA_FILE": str(authority.file),
        }
        operator = Client(tmp_path / "operator", {**known, "TOWPATH_API_KEY": key})
        tenant_key = operator.says("tenant", "create", "acme", "--owner", "eve@acme.test")
        tenant = Client(tmp_path / "tenant", {**known, "TOWPATH_API_KEY": tenant_key})
        example = str(EXAMPLES / "air_quality.py")
        ended = tenant.python(example, "--database", str(tmp_path / "air.db"))
        assert ended.returncode == 0, ended.stderr
        states = {run["state"] for run in tenant.runs()}
        assert "COMPLETED" in states
        assert tenant.says("whoami").startswith("principal   users/eve@acme.test")
        # The operator owns another tenant, and sees nothing of it.
        assert operator.towpath("run", "ls").stdout == ""
        assert "all" in tenant.towpath("audit", "verify").stderr
        secret = tenant_key.split("_")[2]
        assert secret not in server.log
        assert reflection(server.address, authority.file) is grpc.StatusCode.UNIMPLEMENTED
        # Nothing here goes on without an end.
        assert "expires at" in operator.towpath("key", "rotate", key.split("_")[1]).stderr
    finally:
        server.stop()


def reflection(address: str, authority: Path) -> grpc.StatusCode:
    """How it ends to ask a server what there is to call."""
    credentials = grpc.ssl_channel_credentials(authority.read_bytes())
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    with grpc.secure_channel(address, credentials) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        try:
            next(stub.ServerReflectionInfo(iter([request]), timeout=20))
        except grpc.RpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


def test_a_key_is_made_used_rotated_and_revoked(secured: tuple[Server, Client]) -> None:
    server, owner = secured
    owner.says("workspace", "create", "team-a")
    owner.says("service-account", "create", "ci", "--role", "runner", "--workspace", "team-a")
    key = owner.says("key", "create", "--for", "ci", "--name", "ci")
    ci = owner.named(server.home.parent / "ci", TOWPATH_API_KEY=key, TOWPATH_WORKSPACE="team-a")
    assert ci.python("-c", HELLO).returncode == 0
    assert [run["name"] for run in ci.runs()].count("hello") == 1
    refused = ci.towpath("run", "ls", TOWPATH_WORKSPACE="default")
    assert refused.returncode == 4
    assert "you lack run.read in workspaces/default" in refused.stderr
    key_id = key.split("_")[1]
    following = ci.says("key", "rotate", key_id)
    assert ci.says("whoami", TOWPATH_API_KEY=following)
    owner.says("key", "revoke", key_id, "--yes")
    ended = ci.towpath("whoami")
    assert ended.returncode == 4
    assert "revoked" in ended.stderr
    listed = json.loads(owner.says("key", "ls", "--of", "ci", "-o", "json"))
    assert {item["key_id"] for item in listed} == {key_id, following.split("_")[1]}
    told = owner.says("audit", "ls", "-o", "json")
    assert [entry["action"] for entry in json.loads(told)] == [
        *("token.exchange_denied", "key.revoke", "key.rotate", "key.create"),
        *("serviceaccount.create", "workspace.create", "identity.init"),
    ]


def test_who_recovers_an_owner_is_found_in_the_audit_log(secured: tuple[Server, Client]) -> None:
    server, owner = secured
    recovered = towpath(server.home, "server", "recover-owner")
    assert recovered.returncode == 0, recovered.stderr
    key = recovered.stdout.strip()
    assert towpath(server.home, "server", "rotate-keys").returncode == 0
    told = json.loads(owner.says("audit", "ls", "-o", "json", TOWPATH_API_KEY=key))
    assert [(entry["actor"], entry["action"]) for entry in told] == [
        ("system", "serverkey.rotate"),
        ("system", "owner.recover"),
        ("system", "identity.init"),
    ]
    assert told[1]["resource"] == f"users/ada@example.org/apiKeys/{key.split('_')[1]}"
    verified = owner.towpath("audit", "verify")
    assert verified.returncode == 0
    assert "all" in verified.stderr


def test_a_running_server_takes_up_a_new_signing_key_and_refuses_no_call(
    secured: tuple[Server, Client],
) -> None:
    server, owner = secured

    def published() -> set[str]:
        with urllib.request.urlopen(f"{server.web_address}/.well-known/jwks.json") as answer:
            return {key["kid"] for key in json.load(answer)["keys"]}

    first = published()
    with server.channel() as channel:
        stub = auth_service_pb2_grpc.AuthServiceStub(channel)
        exchange = auth_service_pb2.ExchangeTokenRequest(api_key=owner.settings["TOWPATH_API_KEY"])
        calls = 0

        def both_are_published() -> bool:
            nonlocal calls
            calls += 1
            token = stub.ExchangeToken(exchange).access_token
            who = stub.GetCaller(
                auth_service_pb2.GetCallerRequest(),
                metadata=(("authorization", f"Bearer {token}"),),
            )
            assert who.credential_id
            return rotating.poll() is not None and len(published()) == 2

        rotating = subprocess.Popen(
            [sys.executable, "-m", "towpath", "server", "rotate-keys"],
            env=environment(server.home),
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(both_are_published, "the server has taken up the new key")
    said, _ = rotating.communicate()
    assert rotating.returncode == 0
    assert calls > 1
    (new,) = published() - first
    assert f"Key {new} signs access tokens from 2 minutes" in said
    assert first < published()


def test_a_revoked_key_fails_no_run_and_what_waits_is_delivered_with_the_next(
    secured: tuple[Server, Client], tmp_path: Path
) -> None:
    _, owner = secured
    owner.says("service-account", "create", "ci", "--role", "runner")
    key = owner.says("key", "create", "--for", "ci")
    ci = owner.named(tmp_path / "ci", TOWPATH_API_KEY=key)
    owner.says("key", "revoke", key.split("_")[1], "--yes")
    ended = ci.python("-c", HELLO)
    assert ended.returncode == 0
    assert "reports can't be delivered: the credential no longer holds" in ended.stderr
    assert "updates wait in the outbox" in ended.stderr
    assert key not in ended.stderr + ended.stdout
    again = owner.says("key", "create", "--for", "ci")
    assert ci.towpath("sync", TOWPATH_API_KEY=again).returncode == 0
    names = [run["name"] for run in owner.runs()]
    assert names.count("hello") == 1


def test_a_key_in_a_file_may_be_replaced(secured: tuple[Server, Client], tmp_path: Path) -> None:
    _, owner = secured
    file = tmp_path / "api-key"
    file.write_text(owner.settings["TOWPATH_API_KEY"] + "\n")
    by_file = Client(
        tmp_path / "by-file",
        {
            "TOWPATH_SERVER_ADDRESS": owner.settings["TOWPATH_SERVER_ADDRESS"],
            "TOWPATH_API_KEY_FILE": str(file),
        },
    )
    assert by_file.says("whoami")
    file.unlink()
    ended = by_file.towpath("whoami")
    assert ended.returncode == 2
    assert "TOWPATH_API_KEY_FILE" in ended.stderr


def test_signing_in_keeps_the_key_where_only_its_owner_reads_it(
    secured: tuple[Server, Client], tmp_path: Path
) -> None:
    server, owner = secured
    key = owner.settings["TOWPATH_API_KEY"]
    home = tmp_path / "laptop"
    home.mkdir()

    def login(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "towpath",
                "login",
                "--api-key",
                "-",
                "--server",
                server.address,
            ],
            env=environment(home),
            input=text,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    wrong = login("nonsense\n")
    assert wrong.returncode == 2
    assert "nonsense" not in wrong.stderr
    ended = login(f"{key}\n")
    assert ended.returncode == 0, ended.stderr
    assert key not in ended.stdout + ended.stderr
    config = home / "config.toml"
    assert config.stat().st_mode & 0o777 == 0o600
    laptop = Client(home)
    assert "ada@example.org" in laptop.says("whoami")
    assert key not in laptop.says("config", "view", "--show-sources")
    assert key not in laptop.towpath("doctor").stdout
    assert key not in laptop.says("profile", "ls", "-o", "json")
    laptop.says("logout")
    assert key not in config.read_text()
    assert laptop.towpath("whoami").returncode == 4


def test_a_forked_child_reports_with_the_key(secured: tuple[Server, Client]) -> None:
    server, owner = secured
    owner.settings["TOWPATH_SERVER_WEB_ADDRESS"] = server.web_address
    ended = owner.python("-c", FORKING)
    assert ended.returncode == 0, ended.stderr
    assert {"parent", "child"} <= {run["name"] for run in owner.runs()}


def test_a_tenant_over_its_rate_is_slowed_down_and_loses_nothing(
    secured: tuple[Server, Client],
) -> None:
    server, owner = secured
    owner.says("tenant", "limit", "main", "--updates-per-second", "1")
    owner.settings["TOWPATH_SERVER_WEB_ADDRESS"] = server.web_address
    many = (
        FORKING.replace("return 2", "return sum(double(i) for i in range(60))")
        .replace(
            "from towpath import flow",
            "from towpath import flow, task\n\n@task\ndef double(x):\n    return 2 * x\n",
        )
        .replace("return 1", "return sum(double(i) for i in range(60))")
    )
    ended = owner.python("-c", many)
    assert ended.returncode == 0, ended.stderr
    # What it took at once is owed for minutes: who reports next by unary calls is refused.
    ended = owner.python("-c", FORKING)
    assert ended.returncode == 0, ended.stderr
    used = {item["quota"]: item for item in json.loads(owner.says("usage", "-o", "json"))}
    assert int(used["refused"].get("used", 0)) > 0, used
    owner.says("tenant", "limit", "main", "--updates-per-second", "0")
    owner.towpath("sync")

    def tasks() -> int:
        found = json.loads(owner.says("flow", "ls", "-o", "json"))
        return sum(sum(flow["runs"].values()) for flow in found)

    wait_until(lambda: tasks() == 4, "all flows are there")
    listed = json.loads(owner.says("run", "ls", "--all", "-o", "json", "--limit", "500"))
    names = [run["name"].partition("[")[0] for run in listed]
    assert names.count("double") == 120
    assert {run["state"] for run in listed} == {"COMPLETED"}


def test_keys_dont_go_over_the_network_in_plain_text(tmp_path: Path) -> None:
    key = "twpu_0000000000000000_" + "0" * 49
    client = Client(
        tmp_path / "home",
        {
            "TOWPATH_SERVER_ADDRESS": "192.0.2.1:4200",
            "TOWPATH_API_KEY": key,
            "TOWPATH_SERVER_TLS": "off",
        },
    )
    ended = client.towpath("whoami")
    assert ended.returncode == 2
    assert "plain text" in ended.stderr
    assert key not in ended.stderr


def test_a_client_that_speaks_tls_to_plain_text_is_told(
    secured: tuple[Server, Client], tmp_path: Path
) -> None:
    _, owner = secured
    ended = owner.towpath("whoami", TOWPATH_SERVER_TLS="on")
    assert ended.returncode == 6
    assert "server.tls" in ended.stderr
