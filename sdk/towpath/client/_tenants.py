"""Tenants of the installation, their limits, and their use of them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final, Literal

from google.protobuf.field_mask_pb2 import FieldMask

from towpath.api.v1 import access_service_pb2
from towpath.api.v1 import tenant_service_pb2 as pb
from towpath.client._calls import PAGE, Subject
from towpath.client._convert import last_segment, tenant_name, to_optional_time, to_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

TenantState = Literal["active", "suspended", "unknown"]

_STATES: Final[dict[int, TenantState]] = {1: "active", 2: "suspended"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantLimits:
    """Limits of a tenant; 0 is the installation's default."""

    updates_per_second: int = 0
    """Updates of runs per second, over all its producers."""
    log_bytes_per_second: int = 0
    """Bytes of log lines per second."""
    calls_per_second: int = 0
    """Cost units of other calls per second."""
    open_streams: int = 0
    """Streams of producers that are open at once on one replica."""
    stored_bytes: int = 0
    """Bytes that its runs and log lines may take; by default there is no limit."""
    open_watches: int = 0
    """Watches and tails of logs that are open at once on one replica."""
    queued_runs: int = 0
    """Runs of deployments that wait in queues at once."""


LIMITS: Final = tuple(item.name for item in fields(TenantLimits))
"""Names of all limits, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A customer of the installation: all that it holds is apart from all other tenants."""

    id: str
    """Its id, "acme"."""
    uid: str
    """Its id in tokens and telemetry, a UUID."""
    name: str
    """Name to show."""
    state: TenantState
    limits: TenantLimits
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTenant:
    """A tenant as created, with its first owner's API key."""

    tenant: Tenant
    owner_api_key: str = field(repr=False)
    """The API key, which no later answer has."""
    owner_api_key_expires: datetime | None
    """When that key expires; None for never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """How much a tenant used of one thing since the replica started."""

    quota: str
    """"calls", "updates", "log_bytes", "streams", "watches" or "refused"; "stored_bytes", which
    counts all replicas and all time."""
    used: int
    """A count, bytes, or the number that is open now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantUsage:
    """What the caller's tenant uses, and its limits."""

    usage: tuple[Usage, ...]
    limits: TenantLimits
    """The limits that hold, defaults included."""


class Tenants(Subject):
    """Creates, lists, limits, suspends and resumes tenants, for the installation's operator.

    Every method raises `towpath.exceptions.RpcError`, or one of its kinds, when the service can't
    be reached or refuses.
    """

    def create(self, id_: str, *, owner_email: str, name: str = "") -> NewTenant:
        """Creates a tenant with a first workspace and a first owner.

        Args:
            id_: Id of the new tenant: 1 to 63 of a-z, 0-9 and -.
            owner_email: E-mail address of its first owner.
            name: Name to show, at most 255 characters.

        Returns:
            The tenant, with its owner's API key, which is shown this once.

        Raises:
            Conflict: A tenant has this id.
        """
        request = pb.CreateTenantRequest(tenant_id=id_, owner_email=owner_email, display_name=name)
        answer = self._calls.unary("TenantService/CreateTenant", request, pb.CreateTenantResponse)
        return NewTenant(
            tenant=_convert_tenant(answer.tenant),
            owner_api_key=answer.owner_api_key,
            owner_api_key_expires=to_optional_time(answer, "owner_api_key_expire_time"),
        )

    def list(self) -> Iterator[Tenant]:
        """Lists tenants by id.

        Returns:
            The tenants, fetched page by page.
        """
        request = pb.ListTenantsRequest(page_size=PAGE)
        for page in self._calls.pages("TenantService/ListTenants", request, pb.ListTenantsResponse):
            yield from map(_convert_tenant, page.tenants)

    def get(self, tenant: str) -> Tenant:
        """Returns a tenant with its limits.

        Args:
            tenant: Its id.

        Raises:
            NotFound: No tenant has this id.
        """
        request = pb.GetTenantRequest(name=tenant_name(tenant))
        answer = self._calls.unary("TenantService/GetTenant", request, pb.GetTenantResponse)
        return _convert_tenant(answer.tenant)

    def set_limits(
        self, tenant: str, limits: TenantLimits, *, names: Iterable[str] = LIMITS
    ) -> Tenant:
        """Sets limits of a tenant.

        Args:
            tenant: Its id.
            limits: The limits; 0 sets one to the installation's default.
            names: The limits to set, "stored_bytes"; the others stay.

        Returns:
            The tenant as it is now.

        Raises:
            NotFound: No tenant has this id.
            InvalidRequest: There is no such limit.
        """
        request = pb.SetTenantQuotasRequest(
            name=tenant_name(tenant),
            quotas=pb.TenantQuotas(**{name: getattr(limits, name) for name in LIMITS}),
            update_mask=FieldMask(paths=names),
        )
        answer = self._calls.unary(
            "TenantService/SetTenantQuotas", request, pb.SetTenantQuotasResponse
        )
        return _convert_tenant(answer.tenant)

    def suspend(self, tenant: str) -> Tenant:
        """Suspends a tenant: the service refuses all its calls.

        Args:
            tenant: Its id.

        Returns:
            The tenant as it is now.

        Raises:
            NotFound: No tenant has this id.
            Conflict: It is the installation's first tenant.
        """
        request = pb.SuspendTenantRequest(name=tenant_name(tenant))
        answer = self._calls.unary("TenantService/SuspendTenant", request, pb.SuspendTenantResponse)
        return _convert_tenant(answer.tenant)

    def resume(self, tenant: str) -> Tenant:
        """Resumes a suspended tenant.

        Args:
            tenant: Its id.

        Returns:
            The tenant as it is now.

        Raises:
            NotFound: No tenant has this id.
        """
        request = pb.ResumeTenantRequest(name=tenant_name(tenant))
        answer = self._calls.unary("TenantService/ResumeTenant", request, pb.ResumeTenantResponse)
        return _convert_tenant(answer.tenant)

    def usage(self) -> TenantUsage:
        """Returns the usage of the caller's tenant, on the replica that answers."""
        answer = self._calls.unary(
            "AccessService/GetUsage",
            access_service_pb2.GetUsageRequest(),
            access_service_pb2.GetUsageResponse,
        )
        return TenantUsage(
            usage=tuple(Usage(quota=item.quota, used=item.used) for item in answer.usage),
            limits=_convert_limits(answer.quotas),
        )


def _convert_tenant(message: pb.Tenant) -> Tenant:
    return Tenant(
        id=last_segment(message.name),
        uid=message.uid,
        name=message.display_name,
        state=_STATES.get(message.state, "unknown"),
        limits=_convert_limits(message.quotas),
        created=to_time(message.create_time),
    )


def _convert_limits(message: pb.TenantQuotas) -> TenantLimits:
    return TenantLimits(**{name: getattr(message, name) for name in LIMITS})
