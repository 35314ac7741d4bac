"""One transaction: its parts, its values, and what becomes of them.

Transactions form a tree: a transaction has those that ended within it, in order, and hands itself
over to the one around it at its end. What is committed, or rolled back, are whole trees. A commit
goes through the tree from the first part to the last one; a rollback goes back in reverse.
"""

from __future__ import annotations

import copy
import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from towpath._engine.run_logging import get_run_logger
from towpath._engine.turns import locks_of
from towpath._results.isolation import IsolationLevel, member_of
from towpath._results.result_stores import ResultRecord, default_holder, get_result_store
from towpath._runs.context import current_run
from towpath._settings.current import settings_of_runs
from towpath._transactions.hooks import HookCall, call_each
from towpath._transactions.journal import Journal
from towpath._transactions.modes import CommitMode, TransactionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from towpath._results.locks.protocol import LockManager
    from towpath._results.result_stores import ResultStore
    from towpath._runs.children import Waitable
    from towpath._runs.context import RunContext
    from towpath._settings.declared import Settings

    Hook = Callable[..., Any]
    Logger = logging.Logger | logging.LoggerAdapter[logging.Logger]

_log: Final = logging.getLogger("towpath.transactions")
_NOTHING: Final = object()
_OVER: Final = (TransactionState.COMMITTED, TransactionState.ROLLED_BACK)


class BaseTransaction:
    """What transactions of ordinary and of async code have in common.

    Attributes:
        key: Its key; None for none.
        store: Where its record is kept, if it has a key.
        commit_mode: When it commits.
        isolation_level: How far it is kept apart from others with its key.
        overwrite: Whether it runs although an earlier one with its key has committed.
        write_on_commit: Whether its record is written when it commits.
        logger: Where calls of hooks are logged.
        state: What has become of it.
        children: The transactions that ended within it, in order.
        on_commit_hooks: Called with it when it commits.
        on_rollback_hooks: Called with it when it is rolled back, the last one first.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        store: ResultStore | None = None,
        commit_mode: CommitMode | str | None = None,
        isolation_level: IsolationLevel | str | None = None,
        overwrite: bool = False,
        write_on_commit: bool = True,
        logger: Logger | None = None,
    ) -> None:
        """Begins nothing yet; for the arguments see `transaction`.

        Raises:
            DefinitionError: There is no such commit mode or isolation level.
        """
        self.key = key
        self.store = store
        self.commit_mode = member_of(CommitMode, "commit_mode", commit_mode)
        self.isolation_level = member_of(IsolationLevel, "isolation_level", isolation_level)
        self.overwrite = overwrite
        self.write_on_commit = write_on_commit
        self.state = TransactionState.PENDING
        self.children: list[BaseTransaction] = []
        self.on_commit_hooks: list[Hook] = []
        self.on_rollback_hooks: list[Hook] = []
        self.run: RunContext | None = None
        self.pending: list[Waitable] = []
        """Futures of the runs that were submitted in it."""
        self._logger = logger
        self._values: dict[str, Any] = {}
        self._parent: BaseTransaction | None = None
        self._lock = threading.RLock()
        self._found = False
        """Whether an earlier transaction with its key has committed."""
        self._over = False
        """Whether it has committed, or was rolled back."""
        self._doomed = False
        """Whether a part of it failed, so that it can't commit."""
        self._manager: LockManager | None = None
        self._holder = ""
        self._write: Callable[[], object] | None = None
        self._journaled: list[tuple[int, range]] = []
        """Its parts of the journal: their numbers and hooks."""
        self._firsts: list[int] = []
        """The first of its rollback hooks in each of them."""
        self._journal: Journal | None = None
        self._at_finish: list[Callable[[], object]] = []

    @property
    def logger(self) -> Logger:
        """Where calls of hooks are logged."""
        if self._logger is None:
            run = self.run or current_run.get()
            self._logger = _log if run is None else get_run_logger(run)
        return self._logger

    @property
    def root(self) -> BaseTransaction:
        """The outermost transaction around it."""
        found = self
        while found._parent is not None:
            found = found._parent
        return found

    @property
    def hands_over(self) -> bool:
        """Whether the transaction around it commits it."""
        return self._parent is not None and self.commit_mode is not CommitMode.EAGER

    def set(self, name: str, value: Any) -> None:
        """Keeps a value, for hooks.

        Args:
            name: Its name.
            value: The value.
        """
        self._values[name] = value

    def get(self, name: str, default: Any = _NOTHING) -> Any:
        """Returns a copy of a value that was set here, or in a transaction around this one.

        Args:
            name: Its name.
            default: What to return where there is none.

        Raises:
            ValueError: There is no such value, and no default.
        """
        around: BaseTransaction | None = self
        while around is not None:
            if name in around._values:  # noqa: SLF001 - another of the same class
                value = around._values[name]  # noqa: SLF001 - the same
                try:
                    return copy.deepcopy(value)
                except Exception:  # noqa: BLE001 - connections and the like have no copies
                    return value
            around = around.get_parent()
        if default is _NOTHING:
            raise ValueError(f"the transaction has no value {name!r}: set it, or give a default")
        return default

    def is_pending(self) -> bool:
        """Whether its block hasn't begun."""
        return self.state is TransactionState.PENDING

    def is_active(self) -> bool:
        """Whether its block has begun."""
        return self.state is TransactionState.ACTIVE

    def is_staged(self) -> bool:
        """Whether it has a value, which is kept when it commits."""
        return self.state is TransactionState.STAGED

    def is_committed(self) -> bool:
        """Whether it has committed, or an earlier one with its key has."""
        return self.state is TransactionState.COMMITTED

    def is_rolled_back(self) -> bool:
        """Whether it was rolled back."""
        return self.state is TransactionState.ROLLED_BACK

    def get_parent(self) -> BaseTransaction | None:
        """Returns the transaction around it; None for the outermost one."""
        return self._parent

    def add_child(self, transaction: BaseTransaction) -> None:
        """Takes over a transaction that ended within this one.

        Args:
            transaction: The transaction.
        """
        with self._lock:
            if not self._over:
                self.children.append(transaction)
                return
        # It ended after this one: what a run submitted that didn't wait for it.
        if self.is_committed():
            call_each(transaction._committing())
        else:
            call_each(transaction._rolling_back())

    def doom(self) -> None:
        """Has it rolled back at its end."""
        self._doomed = True

    def stage(
        self,
        value: Any,
        on_rollback_hooks: list[Hook] | None = None,
        on_commit_hooks: list[Hook] | None = None,
    ) -> None:
        """Gives it a value, which its record has when it commits, and hooks.

        Args:
            value: The value, or a `ResultRecord`.
            on_rollback_hooks: Called with this transaction when it is rolled back.
            on_commit_hooks: Called with this transaction when it commits.

        Raises:
            ResultError: The value can't be serialized.
        """
        if self.state in _OVER:
            return
        write = None
        if self.store is not None and self.key is not None and self.write_on_commit:
            given = value.__class__ is ResultRecord
            record: Any = value if given else self.store.create_result_record(value, self.key)
            write = self.store.prepared(record, self.holder)
        self._stage(write, on_rollback_hooks or [], on_commit_hooks or [])

    def read(self) -> ResultRecord[Any] | None:
        """Returns the record of the key; None without a key, or where there is none."""
        if self.store is None or self.key is None or not self.store.exists(self.key):
            return None
        return self.store.read(self.key, self.holder)

    def at_finish(self, function: Callable[[], object]) -> None:
        """Has a function called when it has committed, or was rolled back."""
        self._at_finish.append(function)

    @property
    def holder(self) -> str:
        """Who has the locks of this transaction and its parts."""
        if not self._holder:
            self._holder = f"{default_holder()}:{id(self)}"
        return self._holder

    def _stage(
        self,
        write: Callable[[], object] | None,
        on_rollback: list[Hook],
        on_commit: list[Hook],
    ) -> None:
        self._write = write
        self.on_rollback_hooks += on_rollback
        self.on_commit_hooks += on_commit
        if self.on_rollback_hooks:
            self._write_down(len(self.on_rollback_hooks) - len(on_rollback))
        self.state = TransactionState.STAGED

    def _write_down(self, first: int) -> None:
        """Notes rollback hooks in the journal of the outermost transaction.

        Args:
            first: The first of them that isn't noted yet.
        """
        root = self.root
        hooks = self.on_rollback_hooks[first:]
        if not hooks:
            return
        number = root.journal.stage(self._name, hooks, self._all_values)
        self._firsts.append(first)
        self._journaled.append((number, range(len(hooks))))

    @property
    def journal(self) -> Journal:
        """The journal; of an outermost transaction only."""
        with self._lock:
            if self._journal is None:
                run = self.run or current_run.get()
                top = _top(run)
                home = _settings(run).home
                self._journal = Journal(home, top.run_id if top else "", self.key or "")
            return self._journal

    @property
    def _name(self) -> str:
        return self.key or (self.run.name if self.run is not None else "a transaction")

    def _all_values(self) -> dict[str, Any]:
        around = {} if self._parent is None else self._parent._all_values()  # noqa: SLF001 - the same class
        return {**around, **self._values}

    def _begin(self, parent: BaseTransaction | None) -> None:
        """Settles its options by those of the transaction around it."""
        self._parent = parent
        self.run = current_run.get()
        if self.commit_mode is None:
            self.commit_mode = CommitMode.LAZY if parent is None else parent.commit_mode
        if self.isolation_level is None:
            level = None if parent is None else parent.isolation_level
            self.isolation_level = level or IsolationLevel.READ_COMMITTED
        if self.key is not None and self.store is None:
            self.store = get_result_store()
        self.state = TransactionState.ACTIVE

    def _locks(self) -> LockManager | None:
        """The lock manager whose lock it has to wait for; None where it needn't."""
        if self.key is None or self.isolation_level is not IsolationLevel.SERIALIZABLE:
            return None
        around = self._parent
        while around is not None:
            if around.key == self.key and around._manager is not None:  # noqa: SLF001 - the same class
                return None
            around = around.get_parent()
        given = self.store.lock_manager if self.store is not None else None
        return locks_of(given, _settings(self.run))

    def _look(self) -> None:
        """Finds out whether an earlier transaction with its key has committed."""
        if self.key is None or self.store is None or self.overwrite:
            return
        if self.store.exists(self.key):
            self._found = True
            self.state = TransactionState.COMMITTED

    def _committing(self) -> Iterator[HookCall]:
        """Commits it and its parts; gives the hooks that are to be called."""
        if not self._settle(TransactionState.COMMITTED):
            return
        whole = list(self._whole(TransactionState.COMMITTED))
        journal = self.root._journal  # noqa: SLF001 - the same class
        if journal is not None:
            parts = [part for each in whole for part in each._journaled]  # noqa: SLF001 - the same
            journal.done(parts)
        for each in whole:
            yield from each._committed()  # noqa: SLF001 - the same

    def _whole(self, state: TransactionState) -> Iterator[BaseTransaction]:
        """This transaction and its parts, in order, each in a state that it takes from now on."""
        with self._lock:
            children = list(self.children)
        for child in children:
            if child._settle(state):  # noqa: SLF001 - the same class
                yield from child._whole(state)  # noqa: SLF001 - the same
        yield self

    def _settle(self, state: TransactionState) -> bool:
        """Takes a final state; False where it has one."""
        with self._lock:
            if self._over:
                return False
            self._over = True
            if not self._found:
                self.state = state
            return True

    def _committed(self) -> Iterator[HookCall]:
        try:
            if self._write is not None:
                self._write()
            elif self.key is not None and self.store is not None and self._marks:
                self.store.write(None, self.key, holder=self.holder)
        except Exception:
            self.logger.exception("the record of %s can't be kept", self._name)
        for hook in self.on_commit_hooks:
            yield HookCall(hook, "commit", self, self.logger, self.run, _nothing)
        self._finish()

    @property
    def _marks(self) -> bool:
        """Whether a record without a value is to say that it has committed."""
        return self.write_on_commit and not self._found

    def _rolling_back(self) -> Iterator[HookCall]:
        """Rolls it and its parts back; gives the hooks that are to be called."""
        if not self._settle(TransactionState.ROLLED_BACK):
            return
        hooks = list(enumerate(self.on_rollback_hooks))
        for index, hook in reversed(hooks):
            yield self._rollback_call(index, hook)
        with self._lock:
            children = list(self.children)
        for child in reversed(children):
            yield from child._rolling_back()  # noqa: SLF001 - the same class
        if self._parent is not None:
            self._parent.doom()
        self._finish()

    def _rollback_call(self, index: int, hook: Hook) -> HookCall:
        def done() -> None:
            journal = self.root._journal  # noqa: SLF001 - the same class
            for first, (number, hooks) in zip(self._firsts, self._journaled, strict=True):
                if journal is not None and index - first in hooks:
                    journal.done([(number, range(index - first, index - first + 1))])

        return HookCall(hook, "rollback", self, self.logger, self.run, done)

    def _finish(self) -> None:
        """Frees its locks."""
        told, self._at_finish = self._at_finish, []
        for function in told:
            function()
        manager, self._manager = self._manager, None
        if manager is not None and self.key is not None:
            # Its time may be over, and a user's manager may raise anything.
            with suppress(Exception):
                manager.release_lock(self.key, self.holder)


def _nothing() -> None:
    """Notes nothing."""


def _top(run: RunContext | None) -> RunContext | None:
    """The outermost run of this process around a run."""
    while run is not None and run.parent is not None:
        run = run.parent
    return run


def _settings(run: RunContext | None) -> Settings:
    return (run.settings if run is not None else None) or settings_of_runs()
