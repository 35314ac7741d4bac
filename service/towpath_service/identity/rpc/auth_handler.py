"""The handler of AuthService: exchanges credentials, and describes callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from google.protobuf.timestamp_pb2 import Timestamp
from towpath.api.v1 import auth_service_pb2 as pb
from towpath_auth import RunGrant
from towpath_auth.credentials import shown_user_code

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.core.names import Scope, parse_run
from towpath_service.identity.application.devices import DEVICE_SECONDS, INTERVAL_SECONDS
from towpath_service.identity.application.sign_in import SignedIn
from towpath_service.identity.rpc.convert_identity import to_actor
from towpath_service.identity.rpc.local_identity import caller_answer
from towpath_service.rpc.times import set_time

if TYPE_CHECKING:
    from towpath_auth import Caller

    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.application.address_limits import AddressLimits
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.application.devices import Devices
    from towpath_service.identity.application.federation import Federation
    from towpath_service.identity.application.key_exchange import KeyExchange
    from towpath_service.identity.application.sign_in import SignIns
    from towpath_service.identity.ports.runs import HeldLeases

JWKS_SECONDS: Final = 300


class AuthHandler:
    """Exchanges credentials for tokens, and describes callers."""

    service: ClassVar[str] = "towpath.api.v1.AuthService"

    def __init__(
        self,
        authority: Authority,
        key_exchange: KeyExchange,
        sign_ins: SignIns,
        federation: Federation,
        devices: Devices,
        held_leases: HeldLeases,
        tenant_limits: TenantLimits,
        address_limits: AddressLimits,
    ) -> None:
        self._authority = authority
        self._key_exchange = key_exchange
        self._sign_ins = sign_ins
        self._federation = federation
        self._devices = devices
        self._held_leases = held_leases
        self._tenant_limits = tenant_limits
        self._address_limits = address_limits

    async def exchange_token(
        self, request: pb.ExchangeTokenRequest, caller: Caller
    ) -> pb.ExchangeTokenResponse:
        """Exchanges a credential for an access token."""
        async with self._address_limits.proving(caller.address):
            signed_in = await self._exchanged(request, caller.address)
        made = signed_in.exchanged
        self._tenant_limits.exchanged(made.caller)
        answer = pb.ExchangeTokenResponse(
            access_token=made.token,
            expire_time=Timestamp(seconds=made.expires_at),
            tenant_id=made.caller.tenant_id,
            actor=to_actor(made.caller),
            refresh_token=signed_in.refresh_token,
        )
        answer.expires_in.FromSeconds(made.life_seconds)
        answer.server_time.GetCurrentTime()
        if signed_in.ends_us is not None:
            set_time(answer.sign_in_expire_time, signed_in.ends_us)
        return answer

    async def _exchanged(self, request: pb.ExchangeTokenRequest, address: str) -> SignedIn:
        permissions = request.permissions
        credential = request.WhichOneof("credential")
        if request.tenant and credential != "id_token":
            raise invalid("tenant", "must be empty, except with an id_token")
        if credential == "refresh_token":
            return await self._sign_ins.refresh(request.refresh_token, permissions, address)
        if credential == "id_token":
            return await self._federation.exchange(
                request.id_token, request.tenant, permissions, address
            )
        if credential == "device_code":
            return await self._devices.exchange(request.device_code, permissions, address)
        made = await self._key_exchange.exchange(request.api_key, permissions, address)
        return SignedIn(exchanged=made)

    async def sign_out(self, request: pb.SignOutRequest, caller: Caller) -> pb.SignOutResponse:
        """Ends the login that the caller came by."""
        del request
        await self._sign_ins.sign_out(caller)
        return pb.SignOutResponse()

    async def get_sign_in_options(
        self, request: pb.GetSignInOptionsRequest, caller: Caller
    ) -> pb.GetSignInOptionsResponse:
        """Returns the issuer and client that users of a tenant sign in with."""
        del caller
        found = await self._federation.options(request.tenant)
        if found is None:
            return pb.GetSignInOptionsResponse()
        return pb.GetSignInOptionsResponse(
            issuer=found.issuer, client_id=found.users.client_id, scopes=found.users.scopes
        )

    async def start_device_sign_in(
        self, request: pb.StartDeviceSignInRequest, caller: Caller
    ) -> pb.StartDeviceSignInResponse:
        """Begins a login on a device."""
        device_code, user_code = await self._devices.start(request.client_name, caller.address)
        answer = pb.StartDeviceSignInResponse(
            device_code=device_code, user_code=shown_user_code(user_code)
        )
        answer.expires_in.FromSeconds(DEVICE_SECONDS)
        answer.interval.FromSeconds(INTERVAL_SECONDS)
        return answer

    async def get_device_sign_in(
        self, request: pb.GetDeviceSignInRequest, caller: Caller
    ) -> pb.GetDeviceSignInResponse:
        """Returns the name and address of the device that began a login."""
        with self._address_limits.guessing(caller.address):
            device = await self._devices.waiting(caller, request.user_code)
        answer = pb.GetDeviceSignInResponse(
            client_name=device.client_name, client_address=device.address
        )
        set_time(answer.create_time, device.created_us)
        return answer

    async def approve_device_sign_in(
        self, request: pb.ApproveDeviceSignInRequest, caller: Caller
    ) -> pb.ApproveDeviceSignInResponse:
        """Signs a device in as the caller."""
        with self._address_limits.guessing(caller.address):
            device = await self._devices.approve(caller, request.user_code)
        return pb.ApproveDeviceSignInResponse(client_name=device.client_name)

    async def get_jwks(self, request: pb.GetJwksRequest, caller: Caller) -> pb.GetJwksResponse:
        """Lists the public keys of access tokens."""
        del request, caller
        answer = pb.GetJwksResponse(
            keys=[pb.JsonWebKey(**key) for key in self._authority.jwks()],
            issuer=self._authority.issuer,
        )
        answer.max_age.FromSeconds(JWKS_SECONDS)
        return answer

    async def get_caller(
        self, request: pb.GetCallerRequest, caller: Caller
    ) -> pb.GetCallerResponse:
        """Returns the caller's identity."""
        del request
        workspaces = caller.workspaces or {}
        answer = caller_answer(caller, workspaces, identity=True)
        if caller.expires_at is not None:
            answer.token_expire_time.FromMicroseconds(int(caller.expires_at * 1e6))
        if caller.credential_ends_at is not None:
            ends_us = int(caller.credential_ends_at * 1e6)
            answer.credential_expire_time.FromMicroseconds(ends_us)
        return answer

    async def issue_run_token(
        self, request: pb.IssueRunTokenRequest, caller: Caller
    ) -> pb.IssueRunTokenResponse:
        """Makes a token for the process of one run."""
        workspace_id, run_id = parse_run(request.run, "run")
        scope = Scope(caller.tenant_id, workspace_id)
        held = await self._held_leases(scope, request.lease_id, caller.principal)
        if held is None or held.run_id != run_id:
            raise ServiceError(
                reason="LEASE_LOST",
                message=f"no worker of yours holds that lease of {request.run}: stop its process",
                metadata={"run": request.run, "lease_id": request.lease_id},
            )
        if request.attempt != held.attempt:
            raise ServiceError(
                reason="STALE_ATTEMPT",
                message=f"the lease is for attempt {held.attempt} of {request.run}: start no other",
                metadata={"run": request.run, "current_attempt": str(held.attempt)},
            )
        run = RunGrant(
            workspace_id=workspace_id, run_id=run_id, attempt=held.attempt, fence=held.fence
        )
        made = await self._authority.run_token(caller, run)
        answer = pb.IssueRunTokenResponse(access_token=made.token)
        answer.expires_in.FromSeconds(made.life_seconds)
        return answer
