"""The store of secrets and data keys as a port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.transactions import Transaction
    from towpath_service.identity.domain.principals import ServerKey
    from towpath_service.values.domain.secrets import SecretUser, StoredDataKey, StoredSecret

Result = TypeVar("Result")


class Secrets(Protocol):
    """One transaction on the secrets of one tenant."""

    def secret(self, workspace_id: str, secret_id: str) -> StoredSecret | None:
        """A secret; None when there is none."""
        ...

    def with_key(
        self, workspace_id: str, secret_id: str
    ) -> tuple[StoredSecret, StoredDataKey] | None:
        """A secret and the key that its value is sealed with, as of one moment."""
        ...

    def user(self, workspace_id: str, run_id: str) -> SecretUser | None:
        """A run that may use secrets; None when there is no such run."""
        ...

    def secrets(self, workspace_id: str) -> list[StoredSecret]:
        """The secrets of a workspace, by id, without their sealed values."""
        ...

    def count(self, workspace_id: str) -> int:
        """The number of secrets in a workspace."""
        ...

    def add(self, made: StoredSecret) -> bool:
        """Makes a secret; False when its id is taken."""
        ...

    def change(self, now: StoredSecret, was: StoredSecret) -> bool:
        """Replaces a secret; False when it no longer equals `was`."""
        ...

    def remove(self, was: StoredSecret) -> bool:
        """Removes a secret; False when it no longer equals `was`."""
        ...

    def of_other_keys(self, key_id: str, limit: int) -> list[StoredSecret]:
        """At most `limit` secrets that are sealed with other keys."""
        ...

    def data_keys(self) -> list[StoredDataKey]:
        """The tenant's data keys, newest first."""
        ...

    def add_data_key(self, key: StoredDataKey) -> None:
        """Keeps a data key."""
        ...

    def count_records(self, key_id: str, records: int) -> bool:
        """Counts records that a key seals; False when it is gone, or retired.

        Until the transaction ends, no other transaction writes a value of the tenant.
        """
        ...

    def retire_data_keys(self, but: str, now_us: int) -> None:
        """Retires all data keys but one."""
        ...

    def remove_unused_data_keys(self) -> int:
        """Removes retired keys without sealed values; returns how many."""
        ...

    def witness(self) -> ServerKey | None:
        """One of the service's own secrets, locked until the transaction ends; None without any."""
        ...


class AllDataKeys(Protocol):
    """One transaction on the data keys of all tenants."""

    def data_keys(self) -> list[StoredDataKey]:
        """All data keys, by tenant."""
        ...

    def change_data_key(self, key: StoredDataKey) -> None:
        """Writes the sealed form of a data key."""
        ...


class SecretStore(Protocol):
    """A store that keeps secrets."""

    def on(self, transaction: Transaction, tenant_id: str) -> Secrets:
        """The secrets of one tenant within a transaction that another subject has opened."""
        ...

    def data_keys_on(self, transaction: Transaction) -> AllDataKeys:
        """All data keys within a transaction that another subject has opened."""
        ...

    async def secrets(self, tenant_id: str, work: Callable[[Secrets], Result]) -> Result:
        """Runs work on one tenant's secrets in one transaction."""
        ...

    async def data_keys(self, work: Callable[[AllDataKeys], Result]) -> Result:
        """Runs work on the data keys of all tenants in one transaction."""
        ...
