"""Transactions as blocks of code, opened by `with` and `async with`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from towpath._forks import generation
from towpath._runs.futures import wait, wait_async
from towpath._runs.transactions import current_transaction, open_block
from towpath._strikes import spared
from towpath._transactions.hooks import call_each, call_each_async
from towpath._transactions.modes import CommitMode, TransactionState
from towpath._transactions.recovery import roll_back_left
from towpath._transactions.transaction import BaseTransaction
from towpath.exceptions import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token
    from types import TracebackType

    from towpath._results.isolation import IsolationLevel
    from towpath._results.result_stores import ResultStore
    from towpath._runs.transactions import Block
    from towpath._transactions.hooks import HookCall
    from towpath._transactions.transaction import Logger


class _Opened(BaseTransaction):
    """A transaction with a block of its own."""

    _token: Token[Block | None] | None = None
    _forks = 0

    def _open(self) -> None:
        if self.state is not TransactionState.PENDING:
            raise DefinitionError("a transaction is entered once: make another one")
        self._begin(current_transaction())
        self._forks = generation()

    def _enter(self) -> None:
        """Begins, once it has its turn."""
        if self.key is not None:
            roll_back_left(self.run, key=self.key)
            self._look()
        self._token = open_block.set(self)

    def _leave(self) -> None:
        token, self._token = self._token, None
        # Python closes a coroutine that is left for good in any context.
        if token is not None:
            with suppress(ValueError):
                open_block.reset(token)

    def _ending(self, failed: bool) -> Iterator[HookCall]:
        """Commits, rolls back, or hands over to the transaction around."""
        if failed or self._doomed:
            yield from self._rolling_back()
        elif self._over and not self._found:
            # The block has committed it, or rolled it back.
            if self.is_rolled_back() and self._parent is not None:
                self._parent.doom()
        elif self.hands_over:
            assert self._parent is not None
            self._parent.add_child(self)
        elif self.commit_mode is CommitMode.OFF and not self._found:
            yield from self._rolling_back()
        else:
            yield from self._committing()

    def _fails(self) -> Iterator[HookCall]:
        """Commits what can commit: what has failed is rolled back instead."""
        return self._rolling_back() if self._doomed else self._committing()


class Transaction(_Opened):
    """A transaction of ordinary code; `transaction` makes it."""

    def __enter__(self) -> Self:
        """Begins the transaction.

        Raises:
            DefinitionError: It was begun before.
            OSError: The lock of its key can't be used.
        """
        with spared():
            self._open()
            manager = self._locks()
            if manager is not None and self.key is not None:
                manager.acquire_lock(self.key, self.holder)
                self._manager = manager
            try:
                self._enter()
            except BaseException:
                self._finish()
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the transaction: waits for the runs that were submitted in it, and settles it."""
        self._leave()
        if self._forks != generation():
            return  # It is the parent's.
        failed = error is not None
        try:
            if error is None or isinstance(error, Exception):
                with spared():
                    wait(self.pending)
        except BaseException:
            failed = True
            raise
        finally:
            with spared(deaf=True):
                call_each(self._ending(failed))

    def commit(self) -> bool:
        """Commits it now, with its parts; one whose part has failed is rolled back.

        Returns:
            Whether it has committed by this call.
        """
        if self._over:
            return False
        call_each(self._fails())
        return self.is_committed()

    def rollback(self) -> bool:
        """Rolls it back now, with its parts.

        Returns:
            Whether it was rolled back by this call.
        """
        if self._over:
            return False
        call_each(self._rolling_back())
        return self.is_rolled_back()


class AsyncTransaction(_Opened):
    """A transaction of async code; `atransaction` makes it."""

    async def __aenter__(self) -> Self:
        """Begins the transaction; raises as `Transaction`."""
        self._open()
        manager = self._locks()
        if manager is not None and self.key is not None:
            await manager.aacquire_lock(self.key, self.holder)
            self._manager = manager
        try:
            self._enter()
        except BaseException:
            self._finish()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends the transaction: waits for the runs that were submitted in it, and settles it."""
        self._leave()
        if self._forks != generation():
            return  # It is the parent's.
        if isinstance(error, GeneratorExit):
            # The coroutine is closed, and can't await anything.
            call_each(self._ending(failed=True))
            return
        failed = error is not None
        try:
            if error is None or isinstance(error, Exception):
                await wait_async(self.pending)
        except BaseException:
            failed = True
            raise
        finally:
            await call_each_async(self._ending(failed))

    async def commit(self) -> bool:
        """Commits it now, with its parts; one whose part has failed is rolled back.

        Returns:
            Whether it has committed by this call.
        """
        if self._over:
            return False
        await call_each_async(self._fails())
        return self.is_committed()

    async def rollback(self) -> bool:
        """Rolls it back now, with its parts.

        Returns:
            Whether it was rolled back by this call.
        """
        if self._over:
            return False
        await call_each_async(self._rolling_back())
        return self.is_rolled_back()


def transaction(
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | str | None = None,
    isolation_level: IsolationLevel | str | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
    logger: Logger | None = None,
) -> Transaction:
    """Makes a transaction, which `with` begins.

    Args:
        key: A key: once a transaction with it has committed, `is_committed()` is true of later ones
            from their beginning on.
        store: Where the record of the key is kept; None for the store of the run.
        commit_mode: When it commits; None for as the transaction around it, and LAZY without one.
        isolation_level: SERIALIZABLE has transactions with one key run one after the other; None
            for as the transaction around it, and READ_COMMITTED without one.
        overwrite: Whether it begins anew although one with its key has committed.
        write_on_commit: Whether its record is written when it commits.
        logger: Where calls of hooks are logged; None for the logger of the run.

    Raises:
        DefinitionError: There is no such commit mode or isolation level.
    """
    return Transaction(
        key=key,
        store=store,
        commit_mode=commit_mode,
        isolation_level=isolation_level,
        overwrite=overwrite,
        write_on_commit=write_on_commit,
        logger=logger,
    )


def atransaction(
    key: str | None = None,
    store: ResultStore | None = None,
    commit_mode: CommitMode | str | None = None,
    isolation_level: IsolationLevel | str | None = None,
    overwrite: bool = False,
    write_on_commit: bool = True,
    logger: Logger | None = None,
) -> AsyncTransaction:
    """Makes a transaction, which `async with` begins; for the arguments see `transaction`.

    Raises:
        DefinitionError: There is no such commit mode or isolation level.
    """
    return AsyncTransaction(
        key=key,
        store=store,
        commit_mode=commit_mode,
        isolation_level=isolation_level,
        overwrite=overwrite,
        write_on_commit=write_on_commit,
        logger=logger,
    )


def get_transaction() -> BaseTransaction | None:
    """Returns the transaction that this code is in; within a task, that of its run."""
    found: BaseTransaction | None = current_transaction()
    return found
