"""Logins on devices without a browser, approved by a user signed in elsewhere (RFC 8628)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from towpath_auth import CredentialRefused
from towpath_auth.credentials import (
    new_api_key,
    new_key_id,
    new_user_code,
    read_user_code,
)

from towpath_service.core.errors import ServiceError, denied, invalid, not_found
from towpath_service.identity.application.authority import refused
from towpath_service.identity.application.sign_in import SIGN_IN_SECONDS, NewLogin, parsed
from towpath_service.identity.domain.principals import WaitingDevice

if TYPE_CHECKING:
    from collections.abc import Collection

    from towpath_auth import Caller

    from towpath_service.core.clock import Clock
    from towpath_service.core.tenant_limits import TenantLimits
    from towpath_service.identity.application.audit import AuditTrail
    from towpath_service.identity.application.authority import Authority
    from towpath_service.identity.application.sign_in import SignedIn, SignIns
    from towpath_service.identity.domain.principals import Principal, StoredKey
    from towpath_service.identity.ports.store import Identity, IdentityStore, Installation

DEVICE_SECONDS: Final = 600
INTERVAL_SECONDS: Final = 5
MOST_WAITING: Final = 10
"""Most pending logins of one address."""

_FORGET_AGAIN_US: Final = 60_000_000
_SOONEST_US: Final = 4_000_000
_SECOND: Final = 1_000_000


class Devices:
    """The pending device logins of one installation."""

    def __init__(
        self,
        store: IdentityStore,
        authority: Authority,
        trail: AuditTrail,
        sign_ins: SignIns,
        clock: Clock,
        tenant_limits: TenantLimits,
    ) -> None:
        self._store = store
        self._authority = authority
        self._trail = trail
        self._sign_ins = sign_ins
        self._clock = clock
        self._tenant_limits = tenant_limits
        self._forgot_us = 0

    async def start(self, client_name: str, address: str) -> tuple[str, str]:
        """Begins a login.

        Returns:
            The device code and the user code.

        Raises:
            ServiceError: QUOTA_EXCEEDED: too many logins of this address are pending.
                INVALID_REQUEST: the name has control or invisible characters, which could mislead
                the user who approves the login.
        """
        if not client_name.isprintable():
            raise invalid("client_name", "must have no control or invisible characters")
        key, now_us = new_api_key("device"), self._clock.now_us()
        version, digest = self._authority.ring.peppers.hash(key)
        device = WaitingDevice(
            device_id=key.key_id,
            user_code=new_user_code(),
            digest=digest,
            pepper_version=version,
            client_name=client_name,
            address=address,
            created_us=now_us,
            expires_us=now_us + DEVICE_SECONDS * _SECOND,
        )

        forgets = now_us - self._forgot_us >= _FORGET_AGAIN_US
        if forgets:
            self._forgot_us = now_us

        def work(installation: Installation) -> str:
            if forgets:
                installation.devices.forget(now_us)
            if installation.devices.count_from(address, now_us) >= MOST_WAITING:
                raise _too_many()
            waiting = device
            while not installation.devices.add(waiting):
                waiting = replace(device, user_code=new_user_code())
            return waiting.user_code

        return key.text, await self._store.installation(work)

    async def waiting(self, caller: Caller, user_code: str) -> WaitingDevice:
        """The pending device that shows a code.

        Raises:
            ServiceError: RESOURCE_NOT_FOUND: no device shows it; PERMISSION_MISSING: the caller is
                no user.
        """
        _check_user(caller)
        return await self._store.installation(
            lambda installation: self._waiting(installation, user_code)
        )

    async def approve(self, caller: Caller, user_code: str) -> WaitingDevice:
        """Signs in the device that shows a code, as the caller; raises as `waiting`."""
        _check_user(caller)
        credential_id = new_key_id()

        def claim(installation: Installation) -> WaitingDevice:
            device = self._waiting(installation, user_code)
            if not installation.devices.approve(device.device_id, caller.tenant_id, credential_id):
                raise _none_waits()
            return device

        def work(identity: Identity) -> None:
            own = identity.keys.find(caller.credential_id)
            if own is None:
                raise denied("key.own", "")
            login = self._login(caller, *own, credential_id=credential_id, device=device)
            self._sign_ins.add(identity, login)

        # An interruption in between leaves a device without a login, which expires.
        device = await self._store.installation(claim)
        await self._trail.change(caller.tenant_id, work)
        return device

    async def exchange(
        self, text: str, permissions: Collection[str], address: str = ""
    ) -> SignedIn:
        """Exchanges a device code, once.

        Raises:
            ServiceError: SIGN_IN_PENDING, SIGN_IN_EXPIRED, CREDENTIAL_INVALID, TENANT_SUSPENDED, or
                QUOTA_EXCEEDED when the device polls too often, or its tenant exchanges too much.
        """
        key, now_us = parsed(text, "device"), self._clock.now_us()

        def work(installation: Installation) -> WaitingDevice | None:
            device = installation.devices.find(key.key_id)
            if device is None or not self._authority.ring.peppers.matches(
                key, device.pepper_version, device.digest
            ):
                return None
            if device.credential_id is None:
                installation.devices.note_poll(device.device_id, now_us)
            return device

        device = await self._store.installation(work)
        if device is None:
            raise refused(CredentialRefused())
        if now_us >= device.expires_us:
            raise _ended()
        if device.credential_id is None or device.approved_tenant_id is None:
            raise _too_soon() if now_us - (device.polled_us or 0) < _SOONEST_US else _pending()
        self._tenant_limits.check_exchange(device.approved_tenant_id)
        signed_in = await self._sign_ins.first(
            device.approved_tenant_id, device.credential_id, permissions, address
        )
        if signed_in is None:
            raise _ended()
        await self._store.installation(lambda installation: installation.devices.remove(key.key_id))
        return signed_in

    def _waiting(self, installation: Installation, text: str) -> WaitingDevice:
        code = read_user_code(text)
        device = None if code is None else installation.devices.find_by_code(code)
        if device is None or device.credential_id or self._clock.now_us() >= device.expires_us:
            raise _none_waits()
        return device

    def _login(
        self,
        caller: Caller,
        own: StoredKey,
        user: Principal,
        *,
        credential_id: str,
        device: WaitingDevice,
    ) -> NewLogin:
        """A login with no more rights, and no longer life, than the credential of its approver."""
        scopes = own.scopes
        asked = caller.claims.scopes if caller.claims is not None else None
        if asked is not None:
            scopes = asked if scopes is None else scopes & asked
        ends_us = self._clock.now_us() + SIGN_IN_SECONDS * _SECOND
        return NewLogin(
            key_id=credential_id,
            principal=user,
            display_name=device.client_name,
            ends_us=min(ends_us, own.expires_us or ends_us),
            scopes=scopes,
            workspaces=own.workspaces,
            trust_id=own.trust_id,
        )


def _check_user(caller: Caller) -> None:
    if not caller.principal.startswith("users/"):
        raise denied("key.own", "")


def _none_waits() -> ServiceError:
    return not_found("a pending login with this code")


def _pending() -> ServiceError:
    return ServiceError(
        reason="SIGN_IN_PENDING",
        message=f"this login is not approved yet: ask again in {INTERVAL_SECONDS} s",
        metadata={"interval_seconds": str(INTERVAL_SECONDS)},
    )


def _ended() -> ServiceError:
    return ServiceError(
        reason="SIGN_IN_EXPIRED",
        message="this login was not approved in time, or is completed: begin another",
    )


def _too_soon() -> ServiceError:
    return _exceeded("device_polls", f"asked too often: once in {INTERVAL_SECONDS} s is enough", 5)


def _too_many() -> ServiceError:
    text = f"{MOST_WAITING} logins of this address are pending: approve one, or try again later"
    return _exceeded("waiting_devices", text, 60)


def _exceeded(quota: str, message: str, wait: float) -> ServiceError:
    return ServiceError(
        reason="QUOTA_EXCEEDED",
        message=message,
        metadata={"quota": quota, "limit": str(MOST_WAITING)},
        retry_after_seconds=wait,
    )
