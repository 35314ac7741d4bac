"""Tenants, principals, keys and roles as they are stored."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import uuid4

from towpath_service.core.errors import ServiceError, invalid
from towpath_service.core.names import SLUG

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY_LIFE_SECONDS: Final = 90 * 86_400.0
"""Default lifetime of an API key."""

PrincipalKind = Literal["user", "service_account"]
CredentialKind = Literal["api_key", "sign_in", "trust"]

_COLLECTIONS: Final[Mapping[PrincipalKind, str]] = {
    "user": "users",
    "service_account": "serviceAccounts",
}
EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")
"""The pattern of a user's e-mail address; the same as in the contract."""

_HANDLE: Final = r"[A-Za-z0-9._%+@-]{1,254}"
_PRINCIPAL: Final = re.compile(rf"(users|serviceAccounts)/({_HANDLE})")
_KEY: Final = re.compile(rf"(?:(?:users|serviceAccounts)/{_HANDLE}/apiKeys/)?([0-9A-Za-z]{{16}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The data of one customer, isolated from all others."""

    tenant_id: str
    slug: str
    display_name: str
    created_us: int
    suspended: bool = False
    quotas: Mapping[str, int] = field(default_factory=dict[str, int])
    """Limits that differ from the installation's, by field of the contract's TenantQuotas."""

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"tenants/{self.slug}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceEntry:
    """A workspace that was created explicitly."""

    workspace_id: str
    display_name: str
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller with an identity: a person or a program."""

    principal_id: str
    """UUID, by which tokens name it: a later principal with the same handle is another one."""
    kind: PrincipalKind
    handle: str
    """E-mail address, or the id of a service account."""
    display_name: str
    created_us: int
    epoch: int = 1

    @property
    def name(self) -> str:
        """Its resource name, "users/ada@example.org"."""
        return f"{_COLLECTIONS[self.kind]}/{self.handle}"

    @property
    def subject(self) -> str:
        """Its name in tokens, "users/{uuid}"."""
        return f"{_COLLECTIONS[self.kind]}/{self.principal_id}"


class UsedToken(NamedTuple):
    """A used refresh token."""

    pepper_version: int
    digest: str
    used_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A credential without its secret: an API key, a login, or a trust's service account."""

    key_id: str
    principal_id: str
    display_name: str
    digest: str = field(repr=False)
    pepper_version: int
    scopes: frozenset[str] | None
    """Permissions it is limited to; None for no limit."""
    workspaces: frozenset[str] | None
    """Workspaces it is limited to; None for no limit."""
    created_by: str
    created_us: int
    expires_us: int | None
    used_us: int | None = None
    revoked_us: int | None = None
    replaced_by: str | None = None
    kind: CredentialKind = "api_key"
    trust_id: str | None = None
    """The trust that it was made by; None for none."""
    used_tokens: tuple[UsedToken, ...] = ()
    """The latest used refresh tokens of a login, the last one first."""

    def holds(self, now_us: int) -> bool:
        """Whether the key is accepted at a time."""
        return self.revoked_us is None and (self.expires_us is None or now_us < self.expires_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRole:
    """A role that a tenant has defined."""

    role_id: str
    display_name: str
    permissions: frozenset[str]
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A role of a principal."""

    principal_id: str
    role_id: str
    workspace_id: str
    """Workspace of the role; empty for the whole tenant."""
    created_by: str
    created_us: int


class BindingPlace(NamedTuple):
    """The position of a binding in the order of bindings."""

    kind: PrincipalKind
    handle: str
    role_id: str
    workspace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTrust:
    """The way users sign in through an issuer."""

    claim: str
    """Path of the claim that holds the user's e-mail address."""
    default_role: str
    """Role of a user who signs in for the first time; empty if only existing users may."""
    client_id: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrust:
    """A tenant's trust in an issuer: for a service account, or for users to sign in."""

    trust_id: str
    issuer: str
    audiences: tuple[str, ...]
    rules: tuple[tuple[str, str], ...]
    """Paths of claims, and the value that each must have."""
    algorithms: tuple[str, ...]
    jwks_uri: str | None
    jwks: str | None
    service_account: str | None
    """Name of the service account; None when users sign in by the trust."""
    users: UserTrust | None
    credential_id: str | None
    """The credential of its tokens; None when users sign in by the trust."""
    created_by: str
    created_us: int

    @property
    def name(self) -> str:
        """Its resource name."""
        return f"trusts/{self.trust_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDevice:
    """A login on a device, which waits for the approval of a user signed in elsewhere."""

    device_id: str
    """Public id of its device code."""
    user_code: str
    digest: str = field(repr=False)
    pepper_version: int
    client_name: str
    address: str
    created_us: int
    expires_us: int
    polled_us: int | None = None
    """When it last polled; None if it never did."""
    approved_tenant_id: str | None = None
    """Tenant of the user who approved it; None while it waits."""
    credential_id: str | None = None
    """The login that it became; None while it waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKey:
    """A secret of the service itself, sealed."""

    purpose: Literal["signing", "pepper", "audit"]
    key_id: str
    sealed: str = field(repr=False)
    created_us: int
    used_from_us: int
    used_until_us: int | None = None


def place_of(key: ServerKey) -> str:
    """The place that a server key is sealed for, and opens in."""
    return f"server_key/{key.purpose}/{key.key_id}"


def new_id() -> str:
    """A UUID for a principal or a tenant."""
    return str(uuid4())


def parse_principal(name: str, field_name: str) -> tuple[PrincipalKind, str]:
    """The kind and handle in a principal's name; INVALID_REQUEST naming the field if it is none."""
    match = _PRINCIPAL.fullmatch(name)
    if match is None:
        raise invalid(field_name, 'must be "users/{email}" or "serviceAccounts/{id}"')
    if match[1] == "users":
        return "user", match[2].lower()
    return "service_account", match[2]


def parse_email(text: str, field_name: str) -> str:
    """The handle of a user; INVALID_REQUEST naming the field if a text is no e-mail address."""
    if EMAIL.fullmatch(text) is None:
        raise invalid(
            field_name, f"{text!r} is no e-mail address: give one such as ada@example.org"
        )
    return text.lower()


def parse_key(name: str, field_name: str) -> str:
    """The public id in a key's name; INVALID_REQUEST naming the field if it is none."""
    match = _KEY.fullmatch(name)
    if match is None:
        raise invalid(field_name, "must be the name of a key, or its public id of 16 characters")
    return match[1]


def parse_named(name: str, collection: str, field_name: str) -> str:
    """The id in a name such as "roles/{id}"; INVALID_REQUEST naming the field if it is none."""
    match = re.fullmatch(rf"{collection}/({SLUG})", name)
    if match is None:
        raise invalid(field_name, f'must be "{collection}/{{id}}", the id of a-z, 0-9 and -')
    return match[1]


def exists(resource: str) -> ServiceError:
    """The error for a resource that exists already."""
    return ServiceError(
        reason="RESOURCE_EXISTS",
        message=f"{resource} exists already: choose another name",
        metadata={"resource": resource},
    )


def in_use(resource: str, used_by: str) -> ServiceError:
    """The error for the deletion of a resource that is in use."""
    return ServiceError(
        reason="RESOURCE_IN_USE",
        message=f"{resource} is in use by {used_by}: take that away first",
        metadata={"resource": resource, "used_by": used_by},
    )
