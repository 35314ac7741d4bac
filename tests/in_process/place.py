"""A service with identity, in this process, and ways to call it as somebody."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from towpath.api import v1 as api
from towpath_auth.envelope import LocalKey
from towpath_service.app.identity.bootstrap import enable_identity
from towpath_service.app.identity.sealing import EnvelopeSealer
from towpath_service.app.options import IdentityOptions
from towpath_service.app.wiring import Service, open_service
from towpath_service.core.errors import ServiceError
from towpath_service.identity.application.authority import AUDIENCE, ISSUER, Authority

from tests.in_process.producing import batch, creation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from google.protobuf.message import Message
    from towpath.api.v1 import auth_service_pb2
    from towpath_auth.credentials import AccessClaims
    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.ports.sealing import Sealer, Sealing
    from towpath_service.rpc.endpoints import Endpoint

API = "towpath.api.v1"
SEALER = EnvelopeSealer([LocalKey(b"k" * 32)])
OPTIONS = IdentityOptions()


def sealing_by(sealer: Sealer) -> Sealing:
    """Gives a key that is open already."""

    def sealing(*, make: bool) -> Sealer:
        return sealer

    return sealing


SEALING = sealing_by(SEALER)
LET_IN_SECONDS = 0.5
ADDRESS = "192.0.2.7"


@dataclass(slots=True)
class Place:
    """An installation and its first owner."""

    service: Service
    owner_key: str
    owner: str = ""
    """An access token of the first owner."""

    @property
    def authority(self) -> Authority:
        assert self.service.authority is not None
        return self.service.authority

    def endpoint(self, method: str) -> Endpoint:
        return self.service.dispatcher.endpoint(f"{API}.{method}")

    async def raw(self, token: str | None, method: str, request: Any) -> Any:
        """Calls a unary rpc with what a transport would hand on."""
        return await self.service.dispatcher.unary(self.endpoint(method), request, metadata(token))

    async def call(self, token: str | None, method: str, **fields: Any) -> Any:
        """Calls a unary rpc."""
        return await self.raw(token, method, self.request(method, **fields))

    async def first(self, token: str | None, method: str, **fields: Any) -> Any:
        """The first answer of a stream, or of a unary call; None when it ends without one."""
        endpoint = self.endpoint(method)
        request = self.request(method, **fields)
        if endpoint.kind == "unary":
            return await self.raw(token, method, request)
        dispatcher = self.service.dispatcher
        if endpoint.kind == "server_stream":
            answers = dispatcher.server_stream(endpoint, request, metadata(token))
        else:
            answers = dispatcher.bidi_stream(endpoint, _once(request), metadata(token))
        try:
            # A watch that is let in says nothing for as long as nothing happens.
            return await asyncio.wait_for(anext(answers, None), LET_IN_SECONDS)
        except TimeoutError:
            return None
        finally:
            await answers.aclose()

    async def refusal(self, token: str | None, method: str, **fields: Any) -> ServiceError:
        """Why a call is refused."""
        try:
            await self.first(token, method, **fields)
        except ServiceError as error:
            return error
        raise AssertionError(f"{method} was not refused")

    def request(self, method: str, **fields: Any) -> Message:
        made: Message = self.endpoint(method).request_type(**fields)
        return made

    async def token(self, api_key: str, *permissions: str) -> str:
        """An access token for a key."""
        answer: auth_service_pb2.ExchangeTokenResponse = await self.call(
            None, "AuthService/ExchangeToken", api_key=api_key, permissions=permissions
        )
        return answer.access_token

    async def user(self, role: str, workspace: str = "", *, by: str = "") -> tuple[str, str]:
        """A new user of the owner's tenant: name and API key."""
        answer = await self.call(
            by or self.owner,
            "AccessService/CreateUser",
            email=f"{role}-{uuid4().hex[:8]}@example.org",
            role=f"roles/{role}",
            workspace=f"workspaces/{workspace}" if workspace else "",
            with_api_key=True,
        )
        return answer.user.name, answer.api_key

    async def account(self, role: str, workspace: str = "", *, by: str = "") -> tuple[str, str]:
        """A new service account of the owner's tenant: name and API key."""
        account_id = f"{role}-{uuid4().hex[:8]}"
        await self.call(
            by or self.owner,
            "AccessService/CreateServiceAccount",
            service_account_id=account_id,
            role=f"roles/{role}",
            workspace=f"workspaces/{workspace}" if workspace else "",
        )
        name = f"serviceAccounts/{account_id}"
        made = await self.call(by or self.owner, "AccessService/CreateApiKey", parent=name)
        return name, made.key

    async def tenant(self, slug: str = "") -> tuple[str, str]:
        """A new tenant: its id and an access token of its owner."""
        answer = await self.call(
            self.owner,
            "TenantService/CreateTenant",
            tenant_id=slug or f"t-{uuid4().hex[:8]}",
            owner_email="owner@other.test",
        )
        return answer.tenant.uid, await self.token(answer.owner_api_key)

    async def run(self, token: str, *, run_id: str = "", workspace: str = "default") -> str:
        """Reports a running flow run, and returns its id."""
        run_id = run_id or str(uuid4())
        answer = await self.call(
            token,
            "IngestService/RecordUpdates",
            workspace=f"workspaces/{workspace}",
            producer_id=str(uuid4()),
            batch=batch(1, creation(run_id, kind=1, flow_id="nightly")),
        )
        assert not answer.ack.rejections, answer
        return run_id

    def forged(self, token: str, **changes: Any) -> str:
        """A token like another, made with the service's own key."""
        claims: AccessClaims = self.authority._verifier.verify(token, time.time())
        signing = self.authority.ring.signing
        return signing.sign(replace(claims, **changes), issuer=ISSUER, audience=AUDIENCE)


@asynccontextmanager
async def open_place(
    database: Path | PostgresUrl,
    options: IdentityOptions = OPTIONS,
    sealing: Sealing = SEALING,
) -> AsyncGenerator[Place]:
    made = await enable_identity(database, sealing, "owner@example.org")
    assert made is not None
    async with open_service(database, identity=options, sealing=sealing) as service:
        place = Place(service, made.api_key)
        place.owner = await place.token(made.api_key)
        yield place


def metadata(token: str | None) -> dict[str, list[str]]:
    known = {":peer": [ADDRESS]}
    return known if token is None else {**known, "authorization": [f"Bearer {token}"]}


def all_methods() -> list[str]:
    """Every rpc of the contract, "RunService/GetRun"."""
    modules = [found.name for found in iter_modules(api.__path__)]
    services = [
        service
        for name in modules
        if name.endswith("_service_pb2")
        for service in import_module(f"{API}.{name}").DESCRIPTOR.services_by_name.values()
    ]
    return [f"{service.name}/{method.name}" for service in services for method in service.methods]


async def _once(request: Message) -> AsyncGenerator[Any]:
    yield request
