"""Servers with identity, and calls to them, for benchmarks."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
from towpath.api.v1 import auth_service_pb2, tenant_service_pb2

from tests.scenarios.servers import Server, environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

API = "/towpath.api.v1"


def init_auth(server: Server, options: Sequence[str] = ()) -> str:
    """Switches identity on before the server is started, and returns the first key."""
    server.home.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        [sys.executable, "-m", "towpath", "server", "init-auth", *options],
        env=environment(server.home),
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def exchange(server: Server, key: str) -> str:
    """Makes an access token of a key."""
    with grpc.insecure_channel(server.address) as channel:
        call: Any = channel.unary_unary(f"{API}.AuthService/ExchangeToken")
        body = auth_service_pb2.ExchangeTokenRequest(api_key=key).SerializeToString()
        return auth_service_pb2.ExchangeTokenResponse.FromString(call(body)).access_token


def make_tenant(server: Server, operator: str, name: str, updates_per_second: int) -> str:
    """Makes a tenant with a limit, and returns the key of its owner."""
    request = tenant_service_pb2.CreateTenantRequest(
        tenant_id=name,
        owner_email=f"o@{name}.test",
        quotas=tenant_service_pb2.TenantQuotas(updates_per_second=updates_per_second),
    )
    with grpc.insecure_channel(server.address) as channel:
        create: Any = channel.unary_unary(f"{API}.TenantService/CreateTenant")
        answer = create(request.SerializeToString(), metadata=bearer(operator))
    return tenant_service_pb2.CreateTenantResponse.FromString(answer).owner_api_key


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata that says who calls; none for no token."""
    return (("authorization", f"Bearer {token}"),) if token else ()


class _Bringing(grpc.StreamStreamClientInterceptor):  # type: ignore[misc]
    """Adds a token to streams."""

    def __init__(self, token: str) -> None:
        self._token = token

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:
        return continuation(details._replace(metadata=bearer(self._token)), requests)


@contextmanager
def channel_of(address: str, token: str = "") -> Iterator[grpc.Channel]:
    """A connection of its own, whose streams bring a token."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(address, options) as channel:
        yield grpc.intercept_channel(channel, _Bringing(token)) if token else channel
