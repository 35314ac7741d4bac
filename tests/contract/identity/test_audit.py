from __future__ import annotations

import asyncio
import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import delete, select, update
from towpath_auth.audit import FIRST_HASH, AuditHead, AuditRecord, find_break
from towpath_service.app.identity.bootstrap import recover_owner
from towpath_service.app.identity.key_rotation import (
    reseal_keys,
    rotate_data_keys,
    rotate_signing_key,
)
from towpath_service.app.wiring import open_service
from towpath_service.core.errors import ServiceError
from towpath_service.database.upkeep.maintenance import at_database
from towpath_service.identity.domain.principals import ServerKey, place_of
from towpath_service.identity.storage.tables import audit_entry, audit_head, server_key

from tests.in_process.place import (
    ADDRESS,
    API,
    OPTIONS,
    SEALER,
    SEALING,
    Place,
    metadata,
    open_place,
)

if TYPE_CHECKING:
    from pathlib import Path

    from towpath_service.database.postgres_url import PostgresUrl
    from towpath_service.identity.ports.store import Identity

OWNER = "users/owner@example.org"
TENANT = "00000000-0000-7000-8000-000000000001"


async def log(place: Place) -> Any:
    return await place.call(place.owner, "AccessService/ListAuditEntries", page_size=1000)


async def entries(place: Place) -> list[AuditRecord]:
    """All of the log, read from the store, so that no limit of calls is met."""

    def work(identity: Identity) -> list[AuditRecord]:
        return [record for record, _ in identity.audit.read(before=1 << 60, limit=1000).entries]

    return await place.service.stores.identity.tenant(TENANT, work)


def broken(answer: Any) -> str:
    """What `towpath audit verify` would say."""
    names = {"recorded_us": "record_time_us", "address": "client_address"}
    names |= {"request": "request_json"}
    entries = [
        (
            AuditRecord(
                **{
                    field.name: TENANT
                    if field.name == "tenant_id"
                    else getattr(entry, names.get(field.name, field.name))
                    for field in fields(AuditRecord)
                }
            ),
            entry.hash,
        )
        for entry in reversed(answer.audit_entries)
    ]
    return find_break(entries, AuditHead(sequence=answer.head_sequence, hash=answer.head_hash))


async def test_what_is_done_and_what_is_refused_is_written_down(place: Place) -> None:
    name, key = await place.account("viewer")
    viewer = await place.token(key)
    run_id = await place.run(place.owner)
    run = f"workspaces/default/runs/{run_id}"
    await place.refusal(viewer, "RunService/DeleteRun", name=run)
    await place.refusal(place.owner, "RunService/DeleteRun", name=run)
    await place.refusal(place.owner, "AccessService/DeleteRole", name="not a role")
    answer = await log(place)
    told = [
        (entry.actor, entry.action, entry.resource, entry.outcome, entry.reason)
        for entry in reversed(answer.audit_entries)
    ]
    owner = OWNER
    first = f"{owner}/apiKeys/{place.owner_key.split('_')[1]}"
    assert told == [
        ("system", "identity.init", first, "OK", ""),
        (owner, "serviceaccount.create", name.partition("/")[2], "OK", ""),
        (owner, "key.create", name, "OK", ""),
        (name, "run.delete", run, "PERMISSION_DENIED", "PERMISSION_MISSING"),
        (owner, "run.delete", run, "FAILED_PRECONDITION", "RESOURCE_IN_USE"),
        (owner, "role.delete", "not a role", "INVALID_ARGUMENT", "INVALID_REQUEST"),
    ]
    assert {entry.client_address for entry in answer.audit_entries[:-1]} == {ADDRESS}
    assert [entry.sequence for entry in answer.audit_entries] == [6, 5, 4, 3, 2, 1]
    assert answer.head_sealed
    assert broken(answer) == ""


async def test_what_was_refused_and_is_no_message_is_written_down(small: Place) -> None:
    _, key = await small.account("viewer")
    viewer = await small.token(key)
    with pytest.raises(ServiceError) as raised:
        await small.raw(viewer, "RunService/DeleteRun", b"\xff")
    assert raised.value.reason == "PERMISSION_MISSING"
    told = (await entries(small))[0]
    assert (told.action, told.resource, told.reason) == ("run.delete", "", "PERMISSION_MISSING")


MALFORMED: dict[str, tuple[str, dict[str, Any]]] = {
    "a life beyond all": ("AccessService/CreateApiKey", {"life": Duration(seconds=10**15)}),
    "an overlap of too many nanoseconds": (
        "AccessService/RotateApiKey",
        {"name": "0" * 16, "overlap": Duration(seconds=1, nanos=2_000_000_000)},
    ),
    "a mask that JSON can't tell": (
        "SecretService/UpdateSecret",
        {
            "secret": {"name": "workspaces/default/secrets/token", "value": b"hidden"},
            "update_mask": FieldMask(paths=["Value"]),
        },
    ),
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_what_has_no_form_in_json_is_refused_and_written_down(
    small: Place, what: str
) -> None:
    method, fields = MALFORMED[what]
    assert (await small.refusal(small.owner, method, **fields)).reason == "INVALID_REQUEST"
    told = (await entries(small))[0]
    assert (told.method, told.outcome) == (f"{API}.{method}", "INVALID_ARGUMENT")
    assert isinstance(json.loads(told.request), str)
    assert "hidden" not in told.request


async def test_calls_beyond_the_rate_are_not_written_down(small: Place) -> None:
    quotas = {"calls_per_second": 1}
    await small.call(
        small.owner, "TenantService/SetTenantQuotas", name="tenants/main", quotas=quotas
    )
    before = len(await entries(small))
    refusals = [
        await small.refusal(small.owner, "AccessService/DeleteRole", name="roles/nothing")
        for _ in range(30)
    ]
    answered = [refusal for refusal in refusals if refusal.reason == "RESOURCE_NOT_FOUND"]
    assert {refusal.reason for refusal in refusals} == {"RESOURCE_NOT_FOUND", "QUOTA_EXCEEDED"}
    assert len(await entries(small)) == before + len(answered)


async def test_what_is_done_at_the_database_is_written_down_as_the_systems(
    either: Path | PostgresUrl,
) -> None:
    async with open_place(either) as place:
        recovered = await recover_owner(either, SEALING)
        new = await rotate_signing_key(either, SEALING)
        assert await rotate_data_keys(either, SEALING, lambda _: None) == 0
        assert await reseal_keys(either, SEALING, SEALING) == 4
        answer = await log(place)
        entries = list(reversed(answer.audit_entries))
        init, recovering, rotating = (
            f"towpath server {name}" for name in ("init-auth", "recover-owner", "rotate-keys")
        )
        assert [(entry.method, entry.action, entry.resource) for entry in entries] == [
            (init, "identity.init", f"{OWNER}/apiKeys/{place.owner_key.split('_')[1]}"),
            (recovering, "owner.recover", f"{OWNER}/apiKeys/{recovered.api_key.split('_')[1]}"),
            (rotating, "serverkey.rotate", f"serverKeys/signing/{new}"),
            (rotating, "datakey.rotate", "dataKeys"),
            (rotating, "serverkey.seal", "serverKeys"),
        ]
        assert {entry.actor for entry in entries} == {"system"}
        assert answer.head_sealed
        assert broken(answer) == ""


async def test_no_secret_is_written_down(place: Place) -> None:
    made = await place.call(
        place.owner, "AccessService/CreateUser", email="eve@example.org", with_api_key=True
    )
    await place.token(made.api_key)
    answer = str(await log(place))
    assert made.api_key.split("_")[2] not in answer
    assert "eve@example.org" in answer


async def test_the_trace_and_the_credential_are_told(small: Place) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    known = metadata(small.owner) | {"traceparent": [f"00-{trace_id}-b7ad6b7169203331-01"]}
    await small.service.dispatcher.unary(
        small.endpoint("AccessService/CreateWorkspace"),
        small.request("AccessService/CreateWorkspace", workspace_id="team-a"),
        known,
    )
    entry = (await log(small)).audit_entries[0]
    assert (entry.trace_id, entry.credential_id) == (trace_id, small.owner_key.split("_")[1])


TAMPERING: dict[str, Any] = {
    "an entry changed": update(audit_entry)
    .where(audit_entry.c.sequence == 2)
    .values(actor="users/somebody@example.org"),
    "an entry removed": delete(audit_entry).where(audit_entry.c.sequence == 2),
    "the last entry removed": delete(audit_entry).where(audit_entry.c.sequence == 4),
    "the end moved": update(audit_head).values(sequence=2),
    "the end removed": delete(audit_head),
    "all entries removed": delete(audit_entry),
    "an end without letters": update(audit_head).values(seal="\N{SNOWMAN}"),
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_a_log_that_was_tampered_with_is_found(either: Path | PostgresUrl, how: str) -> None:
    async with open_place(either) as place:
        for number in range(3):
            await place.call(
                place.owner, "AccessService/CreateWorkspace", workspace_id=f"w-{number}"
            )
        whole = await log(place)
        assert (broken(whole), whole.head_sealed) == ("", True)
        await at_database(either, lambda connection: connection.execute(TAMPERING[how]))
        after = await log(place)
        assert broken(after) or not after.head_sealed
        # What is written next covers nothing up.
        await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="w-4")
        after = await log(place)
        assert broken(after)
        assert after.head_sealed


async def test_a_log_in_which_nothing_was_written_yet_bears_a_seal(place: Place) -> None:
    _, other = await place.tenant("acme")
    for token in (other, place.owner):
        answer = await place.call(token, "AccessService/ListAuditEntries")
        if token is other:
            assert (answer.head_sequence, answer.head_hash) == (0, FIRST_HASH)
        assert answer.head_sealed
    await place.call(other, "AccessService/CreateWorkspace", workspace_id="w-1")
    answer = await place.call(other, "AccessService/ListAuditEntries")
    assert (answer.head_sequence, answer.head_sealed) == (1, True)


async def test_a_log_that_was_wiped_bears_no_seal_after_a_restart_either(
    either: Path | PostgresUrl,
) -> None:
    async with open_place(either) as place:
        await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="w-1")
        await at_database(either, lambda connection: connection.execute(delete(audit_entry)))
        await at_database(either, lambda connection: connection.execute(delete(audit_head)))
    async with open_service(either, identity=OPTIONS, sealing=SEALING) as service:
        again = Place(service, place.owner_key)
        again.owner = await again.token(place.owner_key)
        assert not (await log(again)).head_sealed


async def test_logs_of_an_earlier_version_get_their_ends_once(either: Path | PostgresUrl) -> None:
    async with open_place(either) as place:
        _, other = await place.tenant("acme")
        await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="w-1")
    await at_database(either, _as_before)
    async with open_service(either, identity=OPTIONS, sealing=SEALING) as service:
        again = Place(service, place.owner_key)
        again.owner = await again.token(place.owner_key)
        assert broken(await log(again)) == ""
        theirs = await again.call(other, "AccessService/ListAuditEntries")
        assert (theirs.head_sequence, theirs.head_sealed) == (0, True)
    ids = select(server_key.c.key_id).where(server_key.c.purpose == "audit")
    assert await at_database(either, lambda found: found.execute(ids).scalars().all()) == ["2"]


def _as_before(connection: Any) -> None:
    """Makes the database what the version before would have left."""
    connection.execute(delete(audit_head).where(audit_head.c.sequence == 0))
    row = connection.execute(select(server_key).where(server_key.c.purpose == "audit")).one()
    key = ServerKey(**row._mapping)
    before = replace(key, key_id="1")
    sealed = SEALER.seal(SEALER.open(key.sealed, place_of(key)), place_of(before))
    changed = update(server_key).where(server_key.c.purpose == "audit")
    connection.execute(changed.values(key_id="1", sealed=sealed))


async def test_an_end_that_fits_a_shorter_log_bears_no_seal(either: Path | PostgresUrl) -> None:
    async with open_place(either) as place:
        await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="w-1")
        first = await log(place)
        await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="w-2")

        def cut(connection: Any) -> None:
            connection.execute(delete(audit_entry).where(audit_entry.c.sequence == 3))
            head = update(audit_head).values(sequence=2, hash=first.audit_entries[0].hash)
            connection.execute(head)

        await at_database(either, cut)
        after = await log(place)
        assert broken(after) == ""
        assert not after.head_sealed


async def test_a_log_that_is_written_meanwhile_is_told_with_its_end(place: Place) -> None:
    async def write(writer: int) -> None:
        for number in range(15):
            await place.call(
                place.owner, "AccessService/CreateWorkspace", workspace_id=f"w-{writer}-{number}"
            )

    writing = [asyncio.ensure_future(write(writer)) for writer in range(4)]
    while not all(task.done() for task in writing):
        answer = await log(place)
        assert broken(answer) == ""
        assert answer.head_sealed
    await asyncio.gather(*writing)
    assert (await log(place)).head_sequence == 61


async def test_two_at_once_write_one_chain(either: Path | PostgresUrl) -> None:
    async with open_place(either) as place:
        await asyncio.gather(
            *(
                place.call(place.owner, "AccessService/CreateWorkspace", workspace_id=f"w-{number}")
                for number in range(12)
            )
        )
        answer = await log(place)
        assert [entry.sequence for entry in answer.audit_entries] == list(range(13, 0, -1))
        assert broken(answer) == ""


async def test_one_tenants_log_is_not_anothers(place: Place) -> None:
    await place.call(place.owner, "AccessService/CreateWorkspace", workspace_id="mine")
    _, other = await place.tenant("acme")
    theirs = await place.call(other, "AccessService/ListAuditEntries")
    assert list(theirs.audit_entries) == []
    assert theirs.head_sequence == 0


async def test_a_tenant_is_told_in_its_own_log_what_the_operator_did_to_it(place: Place) -> None:
    _, other = await place.tenant("acme")
    name = {"name": "tenants/acme"}
    quotas = {"quotas": {"calls_per_second": 7}}
    await place.call(place.owner, "TenantService/SetTenantQuotas", **name, **quotas)
    await place.call(place.owner, "TenantService/SuspendTenant", **name)
    await place.call(place.owner, "TenantService/ResumeTenant", **name)
    await place.refusal(place.owner, "TenantService/SuspendTenant", name="tenants/none")
    await place.call(
        place.owner, "TenantService/SetTenantQuotas", name="tenants/main", quotas=quotas["quotas"]
    )
    theirs = await place.call(other, "AccessService/ListAuditEntries")
    told = [(entry.actor, entry.action, entry.resource) for entry in theirs.audit_entries]
    assert told == [
        ("operator", f"tenant.{action}", "tenants/acme")
        for action in ("resume", "suspend", "quotas")
    ]
    assert '"calls_per_second": 7' in theirs.audit_entries[-1].request_json
    assert theirs.head_sealed
    # Nothing tells them who that is, or where from.
    assert "owner@example.org" not in str(theirs)
    assert ADDRESS not in str(theirs)
    actions = [entry.action for entry in (await log(place)).audit_entries]
    assert actions[:3] == ["tenant.quotas", "tenant.suspend", "tenant.resume"]
