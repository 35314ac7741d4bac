"""What secrets need of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath_service.core.transactions import Transaction
    from towpath_service.identity.domain.principals import ServerKey
    from towpath_service.values.domain.secrets import StoredDataKey, StoredSecret

Result = TypeVar("Result")


class Secrets(Protocol):
    """One transaction about the secrets of one tenant."""

    def secret(self, workspace_id: str, secret_id: str) -> StoredSecret | None:
        """A secret."""
        ...

    def with_key(
        self, workspace_id: str, secret_id: str
    ) -> tuple[StoredSecret, StoredDataKey] | None:
        """A secret and the key that its value is sealed with, as of one moment."""
        ...

    def attempt(self, workspace_id: str, run_id: str) -> int | None:
        """The current attempt of a run that may use secrets; None when there is no such run."""
        ...

    def secrets(self, workspace_id: str) -> list[StoredSecret]:
        """The secrets of a workspace, by id, without even their sealed values."""
        ...

    def count(self, workspace_id: str) -> int:
        """How many secrets a workspace has."""
        ...

    def add(self, made: StoredSecret) -> bool:
        """Makes a secret; False when its id is taken."""
        ...

    def change(self, now: StoredSecret, was: StoredSecret) -> bool:
        """Writes a secret anew; False when it is no longer what it was."""
        ...

    def remove(self, was: StoredSecret) -> bool:
        """Removes a secret; False when it is no longer what it was."""
        ...

    def of_other_keys(self, key_id: str, limit: int) -> list[StoredSecret]:
        """Some of the secrets that aren't sealed with a key."""
        ...

    def data_keys(self) -> list[StoredDataKey]:
        """The tenant's data keys, newest first."""
        ...

    def add_data_key(self, key: StoredDataKey) -> None:
        """Keeps a data key."""
        ...

    def count_records(self, key_id: str, records: int) -> bool:
        """Counts records that a key seals; False when it is gone, or retired.

        Until the transaction ends, nobody else of the tenant writes a value.
        """
        ...

    def retire_data_keys(self, but: str, now_us: int) -> None:
        """Lets all data keys but one seal nothing more."""
        ...

    def remove_unused_data_keys(self) -> int:
        """Forgets retired keys that nothing is sealed with, and tells how many."""
        ...

    def witness(self) -> ServerKey | None:
        """One of the service's own secrets, held until the transaction ends; None without any."""
        ...


class AllDataKeys(Protocol):
    """One transaction about the data keys of all tenants."""

    def data_keys(self) -> list[StoredDataKey]:
        """All of them, by tenant."""
        ...

    def change_data_key(self, key: StoredDataKey) -> None:
        """Writes how a data key is sealed."""
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
        """Runs work about one tenant's secrets in one transaction."""
        ...

    async def data_keys(self, work: Callable[[AllDataKeys], Result]) -> Result:
        """Runs work about the data keys of all tenants in one transaction."""
        ...
