"""Bugs planted in keys, secrets, rows of tenants and address limits."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_SECRETS = "tests/contract/values/test_secrets.py"
_KEYS = "tests/contract/identity/test_keys.py"
_LEARNING = "test_no_call_is_refused_while_replicas_learn_of_a_key_at_different_times"
_PEPPERS = "tests/contract/identity/test_peppers.py"
_ROTATION = "tests/contract/identity/test_rotation.py"
_SERVER_KEYS = "service/towpath_service/identity/application/server_keys.py"
_SECRET_KEYS = "tests/contract/values/test_secret_keys.py"
_REDACTION = "tests/unit/service/identity/test_redaction.py"
_WALL = "service/towpath_service/database/sql/row_security.py"
_BEHIND = "tests/contract/database/test_bouncer_tenants.py"
_STRANGERS = "tests/unit/service/identity/test_address_limits.py"

IDENTITY_BUGS = (
    PlantedBug(
        name="a-value-opens-as-another-version",
        file="service/towpath_service/values/domain/secrets.py",
        correct="|secret|{row}|value|{self.version}",
        broken="|secret|{row}|value|1",
        caught_by=(f"{_SECRET_KEYS}::test_what_is_swapped_in_the_database_doesnt_open",),
    ),
    PlantedBug(
        name="a-person-reads-values-by-a-role",
        file="service/towpath_service/identity/application/authority.py",
        correct="""person = standing.principal.kind == "user\"""",
        broken="person = False",
        caught_by=(f"{_SECRETS}::test_a_person_gets_no_value_by_any_role",),
    ),
    PlantedBug(
        name="a-key-signs-before-all-know-it",
        file=_SERVER_KEYS,
        correct="usable = [key for key in signing if key.used_from_us <= now_us]",
        broken="usable = signing",
        caught_by=(f"{_ROTATION}::{_LEARNING}",),
    ),
    PlantedBug(
        name="a-pepper-hashes-before-all-know-it",
        file=_SERVER_KEYS,
        correct="for key in peppers if key.used_from_us <= now_us)",
        broken="for key in peppers)",
        caught_by=(f"{_PEPPERS}::test_keys_of_both_peppers_are_exchanged_on_every_replica",),
    ),
    PlantedBug(
        name="a-pepper-goes-under-keys-that-hold",
        file=_SERVER_KEYS,
        correct="if int(key.key_id) not in used]",
        broken="if int(key.key_id) not in used or key]",
        caught_by=(f"{_PEPPERS}::test_a_pepper_goes_once_no_key_that_holds_is_under_it",),
    ),
    PlantedBug(
        name="administrators-make-keys-of-owners",
        file="service/towpath_service/identity/application/api_keys.py",
        correct="        check_covers_roles(identity, caller, owner)\n        return owner\n",
        broken=(
            "        if owner.kind != 'user':\n"
            "            check_covers_roles(identity, caller, owner)\n        return owner\n"
        ),
        caught_by=(f"{_KEYS}::test_nobody_makes_a_key_for_who_may_more_than_they",),
    ),
    PlantedBug(
        name="an-old-key-makes-new-ones",
        file="service/towpath_service/values/application/data_keys.py",
        correct="            if witness is not None:",
        broken="            if witness is None and known:",
        caught_by=(f"{_SECRET_KEYS}::test_a_server_with_a_key_of_before_makes_no_data_keys",),
    ),
    PlantedBug(
        name="lists-in-requests-are-audited-with-secrets",
        file="service/towpath_service/identity/rpc/guard.py",
        correct="elif field.message_type is not None:",
        broken="elif isinstance(value, Message) and field.message_type is not None:",
        caught_by=(f"{_REDACTION}::test_a_sensitive_field_is_shown_nowhere_however_deep",),
    ),
    PlantedBug(
        name="tenants-are-named-for-the-session",
        file=_WALL,
        correct="$1, true)",
        broken="$1, false)",
        caught_by=(f"{_BEHIND}::test_what_one_transaction_said_is_gone_for_the_next_borrower",),
    ),
    PlantedBug(
        name="every-transaction-names-every-tenant",
        file=_WALL,
        correct="""return "*" if tenants is EVERY_TENANT else ",".join(sorted(tenants))""",
        broken="""return "*" if tenants is not None else ",".join(sorted(tenants))""",
        caught_by=(f"{_BEHIND}::test_tenants_interleaved_on_few_connections_see_their_own_rows",),
    ),
    PlantedBug(
        name="strangers-lock-out-who-shares-their-address",
        file="service/towpath_service/identity/application/address_limits.py",
        correct="        async with known.turn if known",
        broken=(
            "        if known is not None:\n            _check(known.bucket, self._now())\n"
            "        async with known.turn if known"
        ),
        caught_by=(f"{_STRANGERS}::test_a_stranger_locks_nobody_out_who_shares_the_address",),
    ),
    PlantedBug(
        name="clients-say-themselves-where-they-call-from",
        file="service/towpath_service/identity/domain/addresses.py",
        correct='values[-1].rpartition(",")[2]',
        broken='values[0].partition(",")[0]',
        caught_by=(f"{_STRANGERS}::test_only_behind_a_proxy_is_it_believed_where_calls_come_from",),
    ),
    PlantedBug(
        name="a-refused-exchange-uses-its-token-up",
        file="service/towpath_service/identity/application/sign_in.py",
        correct="        self._tenant_limits.check_exchange(tenant_id)\n",
        broken="",
        caught_by=(f"{_STRANGERS}::test_exchanges_are_charged_to_the_tenant_apart_from_its_calls",),
    ),
    PlantedBug(
        name="certificates-are-given-at-each-handshake",
        file="service/towpath_service/app/tls.py",
        correct="            if self._given is self._pem:\n                return None\n",
        broken="",
        caught_by=(
            (
                "tests/unit/service/app/test_tls.py"
                "::test_grpc_is_given_a_certificate_once_however_many_shake_hands"
            ),
        ),
    ),
)
