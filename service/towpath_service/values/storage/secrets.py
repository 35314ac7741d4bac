"""Secrets of one tenant, on SQL. Values arrive sealed, and stay sealed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, delete, func, insert, literal, select, update

from towpath_service.database.sql.statements import insert_new
from towpath_service.identity.domain.principals import ServerKey
from towpath_service.identity.storage.tables import server_key
from towpath_service.runs.storage.tables import run
from towpath_service.values.domain.secrets import SecretUser, StoredDataKey, StoredSecret
from towpath_service.values.storage.tables import data_key, secret

if TYPE_CHECKING:
    from towpath_service.core.transactions import RunSecrets
    from towpath_service.database.port import SqlTransaction

_OF_KEY: Final = "data_key_"


class SqlSecrets:
    """One transaction on the secrets of one tenant."""

    def __init__(
        self, transaction: SqlTransaction, tenant_id: str, run_secrets: RunSecrets | None
    ) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._tenant_id = tenant_id
        self._run_secrets = run_secrets

    def secret(self, workspace_id: str, secret_id: str) -> StoredSecret | None:
        """A secret; None when there is none."""
        row = self._connection.execute(
            select(secret).where(*self._named(workspace_id, secret_id))
        ).one_or_none()
        return None if row is None else _to_secret(row)

    def with_key(
        self, workspace_id: str, secret_id: str
    ) -> tuple[StoredSecret, StoredDataKey] | None:
        """A secret and the key that its value is sealed with, as of one moment."""
        key, kept = data_key.c, secret.c
        columns = [column.label(f"{_OF_KEY}{column.name}") for column in key]
        row = self._connection.execute(
            select(secret, *columns)
            .join(data_key, and_(key.tenant_id == kept.tenant_id, key.key_id == kept.key_id))
            .where(*self._named(workspace_id, secret_id))
        ).one_or_none()
        return None if row is None else (_to_secret(row), _to_key(row, _OF_KEY))

    def user(self, workspace_id: str, run_id: str) -> SecretUser | None:
        """A run that may use secrets; None when there is no such run."""
        columns = run.c
        row = self._connection.execute(
            select(columns.attempt, columns.fence).where(
                columns.tenant_id == self._tenant_id,
                columns.workspace_id == workspace_id,
                columns.run_id == run_id,
            )
        ).one_or_none()
        if row is None:
            return None
        named = None
        if self._run_secrets is not None:
            named = self._run_secrets(self._transaction, self._tenant_id, workspace_id, run_id)
        return SecretUser(
            attempt=row.attempt,
            fence=row.fence,
            secrets=None if named is None else frozenset(named),
        )

    def secrets(self, workspace_id: str) -> list[StoredSecret]:
        """The secrets of a workspace, by id, without their sealed values."""
        # The sealed values of a workspace may take 90 MB.
        columns: list[Any] = [column for column in secret.c if column.name != "sealed"]
        columns.append(literal("").label("sealed"))
        rows = self._connection.execute(
            select(*columns).where(*self._in(workspace_id)).order_by(secret.c.secret_id)
        )
        return list(map(_to_secret, rows))

    def count(self, workspace_id: str) -> int:
        """The number of secrets in a workspace."""
        counted = select(func.count()).select_from(secret).where(*self._in(workspace_id))
        return int(self._connection.execute(counted).scalar_one())

    def add(self, made: StoredSecret) -> bool:
        """Makes a secret; False when its id is taken."""
        return insert_new(self._connection, secret, tenant_id=self._tenant_id, **asdict(made))

    def change(self, now: StoredSecret, was: StoredSecret) -> bool:
        """Replaces a secret; False when it no longer equals `was`."""
        changed = self._connection.execute(
            update(secret).where(*self._still(was)).values(**asdict(now))
        )
        return changed.rowcount > 0

    def remove(self, was: StoredSecret) -> bool:
        """Removes a secret; False when it no longer equals `was`."""
        return self._connection.execute(delete(secret).where(*self._still(was))).rowcount > 0

    def of_other_keys(self, key_id: str, limit: int) -> list[StoredSecret]:
        """At most `limit` secrets that are sealed with other keys."""
        rows = self._connection.execute(
            select(secret)
            .where(secret.c.tenant_id == self._tenant_id, secret.c.key_id != key_id)
            .limit(limit)
        )
        return list(map(_to_secret, rows))

    def data_keys(self) -> list[StoredDataKey]:
        """The tenant's data keys, newest first."""
        rows = self._connection.execute(
            select(data_key)
            .where(data_key.c.tenant_id == self._tenant_id)
            .order_by(data_key.c.created_us.desc(), data_key.c.key_id)
        )
        return [_to_key(row) for row in rows]

    def add_data_key(self, key: StoredDataKey) -> None:
        """Keeps a data key."""
        assert key.tenant_id == self._tenant_id
        self._connection.execute(insert(data_key).values(**asdict(key)))

    def count_records(self, key_id: str, records: int) -> bool:
        """Counts records that a key seals; False when it is gone, or retired."""
        counted = self._connection.execute(
            update(data_key)
            .where(
                data_key.c.tenant_id == self._tenant_id,
                data_key.c.key_id == key_id,
                data_key.c.retired_us.is_(None),
            )
            .values(records=data_key.c.records + records)
        )
        return counted.rowcount > 0

    def retire_data_keys(self, but: str, now_us: int) -> None:
        """Retires all data keys but one."""
        self._connection.execute(
            update(data_key)
            .where(
                data_key.c.tenant_id == self._tenant_id,
                data_key.c.key_id != but,
                data_key.c.retired_us.is_(None),
            )
            .values(retired_us=now_us)
        )

    def remove_unused_data_keys(self) -> int:
        """Removes retired keys without sealed values; returns how many."""
        used = select(secret.c.key_id).where(secret.c.tenant_id == self._tenant_id)
        removed = self._connection.execute(
            delete(data_key).where(
                data_key.c.tenant_id == self._tenant_id,
                data_key.c.retired_us.is_not(None),
                data_key.c.key_id.not_in(used),
            )
        )
        return removed.rowcount

    def witness(self) -> ServerKey | None:
        """One of the service's own secrets, locked until the transaction ends; None without any."""
        found = self._connection.execute(
            select(server_key)
            .order_by(server_key.c.created_us, server_key.c.key_id)
            .limit(1)
            .with_for_update()
        )
        row = found.mappings().one_or_none()
        return None if row is None else ServerKey(**row)

    def _in(self, workspace_id: str) -> tuple[Any, ...]:
        return secret.c.tenant_id == self._tenant_id, secret.c.workspace_id == workspace_id

    def _named(self, workspace_id: str, secret_id: str) -> tuple[Any, ...]:
        return *self._in(workspace_id), secret.c.secret_id == secret_id

    def _still(self, was: StoredSecret) -> tuple[Any, ...]:
        return (
            *self._named(was.workspace_id, was.secret_id),
            secret.c.row_id == was.row_id,
            secret.c.revision == was.revision,
            secret.c.key_id == was.key_id,
        )


class SqlAllDataKeys:
    """One transaction on the data keys of all tenants."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._connection = transaction.connection

    def data_keys(self) -> list[StoredDataKey]:
        """All data keys, by tenant."""
        rows = self._connection.execute(
            select(data_key).order_by(data_key.c.tenant_id, data_key.c.key_id)
        )
        return [_to_key(row) for row in rows]

    def change_data_key(self, key: StoredDataKey) -> None:
        """Writes the sealed form of a data key."""
        columns = data_key.c
        self._connection.execute(
            update(data_key)
            .where(columns.tenant_id == key.tenant_id, columns.key_id == key.key_id)
            .values(sealed=key.sealed)
        )


def _to_secret(row: Any) -> StoredSecret:
    names = [column.name for column in secret.c if column.name != "tenant_id"]
    return StoredSecret(**{name: getattr(row, name) for name in names})


def _to_key(row: Any, prefix: str = "") -> StoredDataKey:
    return StoredDataKey(
        **{column.name: getattr(row, prefix + column.name) for column in data_key.c}
    )
