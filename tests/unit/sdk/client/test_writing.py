"""The client against a service with identity: what it writes is what it reads back."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from towpath.client import ClaimRule, TenantLimits, UserTrust
from towpath.exceptions import Conflict, InvalidRequest, NotFound, NotSignedIn

from tests.unit.sdk.client.identified import Callers, open_callers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towpath.client import Client

OWNER = "users/owner@example.org"


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    with open_callers(tmp_path_factory.mktemp("client") / "towpath.db") as opened:
        yield opened


@pytest.fixture
def owner(callers: Callers) -> Client:
    return callers.owner


def is_now(moment: datetime | None) -> bool:
    return moment is not None and abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


def test_workspaces_are_created_listed_and_deleted(owner: Client) -> None:
    created = owner.workspaces.create("team-a", name="Team A")
    assert (created.id, created.name, is_now(created.created)) == ("team-a", "Team A", True)
    assert created in list(owner.workspaces.list())
    with pytest.raises(Conflict) as raised:
        owner.workspaces.create("team-a")
    assert raised.value.code == "ALREADY_EXISTS"
    owner.workspaces.delete("team-a")
    assert created not in list(owner.workspaces.list())
    with pytest.raises(NotFound) as missing:
        owner.workspaces.delete("team-a")
    assert missing.value.metadata["resource"] == "workspaces/team-a"


def test_users_come_with_a_key_if_asked_for_and_go(owner: Client, callers: Callers) -> None:
    owner.workspaces.create("team-b")
    plain = owner.users.create("Bob@example.org", role="viewer", workspace="team-b")
    assert (plain.user.email, plain.user.principal) == ("bob@example.org", "users/bob@example.org")
    assert (plain.api_key, plain.api_key_expires) == ("", None)
    (binding,) = owner.roles.bindings("bob@example.org")
    assert (binding.role, binding.workspace, binding.creator) == ("viewer", "team-b", OWNER)
    keyed = owner.users.create("carol@example.org", name="Carol", with_api_key=True)
    assert keyed.api_key not in repr(keyed)
    assert keyed.api_key_expires is not None
    caller = callers.holder(keyed.api_key).whoami()
    assert (caller.principal, caller.kind, caller.name) == (
        "users/carol@example.org",
        "user",
        "Carol",
    )
    assert {plain.user, keyed.user} <= set(owner.users.list())
    owner.users.delete("bob@example.org")
    assert plain.user not in list(owner.users.list())
    with pytest.raises(Conflict):
        owner.users.delete(OWNER)


def test_service_accounts_are_created_listed_and_deleted(owner: Client) -> None:
    created = owner.service_accounts.create("nightly", name="Nightly", role="runner")
    assert created.principal == "serviceAccounts/nightly"
    assert list(owner.service_accounts.list()) == [created]
    (binding,) = owner.roles.bindings("nightly")
    assert (binding.principal, binding.role, binding.workspace) == (created.principal, "runner", "")
    owner.service_accounts.delete("nightly")
    assert list(owner.service_accounts.list()) == []


def test_roles_are_granted_and_revoked(owner: Client) -> None:
    owner.service_accounts.create("painter")
    role = owner.roles.create("reader", ["run.read", "log.read"], name="Reader")
    assert (role.id, role.name, role.built_in) == ("reader", "Reader", False)
    assert sorted(role.permissions) == ["log.read", "run.read"]
    assert role in list(owner.roles.list())
    granted = owner.roles.grant("painter", "reader", workspace="default")
    assert (granted.role, granted.workspace) == ("reader", "default")
    with pytest.raises(Conflict):
        owner.roles.delete("reader")
    owner.roles.revoke("painter", "reader", workspace="default")
    assert list(owner.roles.bindings("painter")) == []
    owner.roles.delete("roles/reader")
    assert role not in list(owner.roles.list())


def test_keys_are_created_rotated_and_revoked(owner: Client, callers: Callers) -> None:
    owner.service_accounts.create("ci", role="runner")
    created = owner.keys.create(
        "ci",
        name="of CI",
        permissions=["run.read"],
        workspaces=["default"],
        life=timedelta(hours=2),
    )
    assert created.key not in repr(created)
    key = created.api_key
    assert (key.principal, key.kind, key.name) == ("serviceAccounts/ci", "api_key", "of CI")
    assert (key.permissions, key.workspaces) == (("run.read",), ("default",))
    assert (key.creator, key.replaced_by, key.revoked) == (OWNER, "", None)
    assert key.expires is not None
    assert is_now(key.expires - timedelta(hours=2))
    assert callers.holder(created.key).whoami().credential_id == key.id
    following = owner.keys.rotate(key.id, overlap=timedelta(0))
    assert following.key != created.key
    listed = {item.id: item for item in owner.keys.list("ci")}
    assert listed[key.id].replaced_by == following.api_key.id
    revoked = owner.keys.revoke(following.api_key.resource_name)
    assert is_now(revoked.revoked)
    with pytest.raises(Conflict):
        owner.keys.rotate(key.id)
    with pytest.raises(InvalidRequest, match="life"):
        owner.keys.create("ci", life=timedelta(days=400))


def test_secrets_get_versions_and_are_guarded_by_their_etag(owner: Client) -> None:
    first = owner.secrets.create("db-password", b"one", description="warehouse")
    assert (first.id, first.workspace, first.version) == ("db-password", "default", 1)
    assert (first.description, first.setter) == ("warehouse", OWNER)
    second = owner.secrets.set("db-password", b"two")
    assert (second.version, second.description) == (2, "warehouse")
    third = owner.secrets.update("db-password", description="", etag=second.etag)
    assert (third.version, third.description) == (2, "")
    with pytest.raises(Conflict) as raised:
        owner.secrets.update("db-password", value=b"three", etag=second.etag)
    assert raised.value.reason == "ETAG_MISMATCH"
    assert owner.secrets.get("db-password") == third
    assert owner.secrets.set("other", b"x").version == 1
    assert [item.id for item in owner.secrets.list()] == ["db-password", "other"]
    owner.secrets.delete("db-password", etag=third.etag)
    with pytest.raises(NotFound):
        owner.secrets.get("db-password")


def test_variables_are_set_and_guarded_by_their_etag(owner: Client) -> None:
    first = owner.variables.create("mark", {"n": 1}, tags=["etl"])
    assert (first.name, first.workspace, first.value, first.tags) == (
        *("mark", "default", {"n": 1}, ("etl",)),
    )
    second = owner.variables.set("mark", "two")
    assert (second.value, second.tags, second.created) == ("two", ("etl",), first.created)
    with pytest.raises(Conflict) as raised:
        owner.variables.set("mark", 3, etag=first.etag)
    assert raised.value.reason == "ETAG_MISMATCH"
    with pytest.raises(Conflict):
        owner.variables.create("mark", 3)
    assert owner.variables.get("mark") == second
    owner.variables.set("other", None, tags=())
    assert [item.name for item in owner.variables.list()] == ["mark", "other"]
    with pytest.raises(NotFound):
        owner.variables.set("third", 3, etag=first.etag)
    owner.variables.delete("mark", etag=second.etag)
    with pytest.raises(NotFound):
        owner.variables.get("mark")


def test_trusts_are_for_an_account_or_for_people(owner: Client) -> None:
    owner.service_accounts.create("deploy", role="runner")
    rule = ClaimRule(path="sub", value="repo:acme/etl")
    program = owner.trusts.create(
        "ci",
        issuer="https://ci.example.org",
        audiences=["towpath"],
        service_account="deploy",
        rules=[rule],
    )
    assert (program.service_account, program.users, program.rules) == ("deploy", None, (rule,))
    assert (program.issuer, program.audiences) == ("https://ci.example.org", ("towpath",))
    users = UserTrust(client_id="cli", claim="upn", default_role="viewer", scopes=("openid",))
    people = owner.trusts.create(
        "company", issuer="https://login.example.org", audiences=["cli"], users=users
    )
    assert (people.service_account, people.users, people.creator) == ("", users, OWNER)
    assert list(owner.trusts.list()) == [program, people]
    options = owner.sign_in.options()
    assert (options.issuer, options.client_id) == ("https://login.example.org", "cli")
    owner.trusts.delete("company")
    owner.trusts.delete("trusts/ci")
    assert list(owner.trusts.list()) == []


def test_tenants_are_limited_suspended_and_resumed(owner: Client, callers: Callers) -> None:
    created = owner.tenants.create("acme", owner_email="eve@acme.test", name="Acme")
    assert created.owner_api_key not in repr(created)
    assert (created.tenant.id, created.tenant.name, created.tenant.state) == (
        "acme",
        "Acme",
        "active",
    )
    eve = callers.holder(created.owner_api_key)
    limits = TenantLimits(updates_per_second=7, stored_bytes=10**12, open_streams=3)
    assert owner.tenants.set_limits("acme", limits).limits == limits
    changed = TenantLimits(stored_bytes=5)
    kept = owner.tenants.set_limits("acme", changed, names=["stored_bytes"]).limits
    assert kept == TenantLimits(updates_per_second=7, stored_bytes=5, open_streams=3)
    assert eve.tenants.usage().limits.stored_bytes == 5
    assert "calls" in {item.quota for item in eve.tenants.usage().usage}
    assert owner.tenants.suspend("acme").state == "suspended"
    assert owner.tenants.get("tenants/acme").state == "suspended"
    assert owner.tenants.resume("acme").state == "active"
    assert {tenant.id for tenant in owner.tenants.list()} == {"main", "acme"}
    with pytest.raises(NotSignedIn) as raised:
        list(eve.tenants.list())
    assert raised.value.code == "PERMISSION_DENIED"


def test_the_audit_log_has_what_was_changed(owner: Client) -> None:
    owner.workspaces.create("audited")
    page = next(owner.audit.pages(size=1))
    (entry,) = page.entries
    assert (entry.action, entry.actor, entry.outcome) == ("workspace.create", OWNER, "OK")
    assert (page.head_sequence, page.head_hash) == (entry.sequence, entry.hash)
    assert page.head_sealed
    assert is_now(entry.recorded)
    entries = list(owner.audit.list())
    assert [item.sequence for item in entries] == list(range(entry.sequence, 0, -1))


def test_a_device_is_signed_in_by_a_person_elsewhere(owner: Client, callers: Callers) -> None:
    begun = callers.stranger.sign_in.start_device("towpath on build-7")
    assert begun.device_code not in repr(begun)
    assert (begun.expires_in_seconds, begun.interval_seconds) == (600, 5)
    waiting = owner.sign_in.waiting_device(begun.user_code)
    assert (waiting.client_name, is_now(waiting.created)) == ("towpath on build-7", True)
    assert owner.sign_in.approve_device(begun.user_code.lower()) == "towpath on build-7"
    login = callers.stranger.sign_in.exchange_device_code(begun.device_code)
    assert login.principal == OWNER
    assert login.refresh_token
    assert login.refresh_token not in repr(login)
    assert login.expires_in_seconds > 60
    with pytest.raises(NotFound):
        owner.sign_in.sign_out()


def test_the_caller_is_known_with_its_permissions(owner: Client, callers: Callers) -> None:
    caller = owner.whoami()
    assert (caller.identity, caller.principal, caller.tenant) == (True, OWNER, "main")
    assert "workspace.create" in caller.tenant_permissions
    (default,) = (grant for grant in caller.workspace_grants if grant.workspace == "default")
    assert "run.read" in default.permissions
    with pytest.raises(NotSignedIn) as raised:
        callers.stranger.whoami()
    assert raised.value.code == "UNAUTHENTICATED"


def test_a_refusal_keeps_its_reason_when_it_is_pickled(owner: Client) -> None:
    with pytest.raises(NotFound) as raised:
        owner.secrets.get("nothing")
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (copy.code, copy.metadata) == (raised.value.code, raised.value.metadata)
