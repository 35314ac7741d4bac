"""The inputs that were sent to runs, on SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from towpath_service.core.bus import Topic
from towpath_service.core.tenancy import check_tenants
from towpath_service.database.sql.bulk import insert_rows
from towpath_service.runs.domain.inputs import RunInput
from towpath_service.runs.storage.rows import in_scope
from towpath_service.runs.storage.stored_bytes import FLAT, TEXTS, Sizes, add_stored
from towpath_service.runs.storage.tables import run_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towpath_service.core.names import Scope
    from towpath_service.database.port import SqlTransaction

_input: Final[Any] = run_input.c


class SqlRunInputs:
    """The inputs of runs within one transaction."""

    def __init__(self, transaction: SqlTransaction) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._tenants = transaction.tenants

    def find(self, scope: Scope, run_id: str, input_id: str) -> RunInput | None:
        """An input of a run; None for no such one."""
        asked = select(run_input).where(*self._of(scope, run_id), _input.input_id == input_id)
        row = self._connection.execute(asked).one_or_none()
        return None if row is None else _to_input(row)

    def last_position(self, scope: Scope, run_id: str) -> int:
        """The position of the run's newest input; 0 for none."""
        asked = select(func.max(_input.position)).where(*self._of(scope, run_id))
        return int(self._connection.execute(asked).scalar() or 0)

    def add(self, scope: Scope, run_id: str, new: RunInput) -> None:
        """Writes an input of a run that is locked, counts it as stored, and wakes its receivers."""
        check_tenants(self._tenants, (scope.tenant_id,))
        values = {
            **scope._asdict(),
            "run_id": run_id,
            **{name: getattr(new, name) for name in RunInput.__slots__},
        }
        row = tuple(values[column.name] for column in run_input.c)
        insert_rows(self._connection, run_input, [row])
        texts = [getattr(new, name) for name in TEXTS["run_input"]]
        size = FLAT["run_input"] + Sizes(self._connection.dialect).of(texts)
        add_stored(self._connection, scope, size)
        self._transaction.topics.add(Topic("input", *scope, run_id))

    def after(
        self, scope: Scope, run_id: str, key_prefix: str, position: int, most: int
    ) -> Sequence[RunInput]:
        """The first inputs of a kind after a position, in order."""
        asked = (
            select(run_input)
            .where(*self._of(scope, run_id))
            .where(_input.key_prefix == key_prefix, _input.position > position)
            .order_by(_input.position)
            .limit(most)
        )
        return list(map(_to_input, self._connection.execute(asked)))

    def _of(self, scope: Scope, run_id: str) -> tuple[Any, ...]:
        check_tenants(self._tenants, (scope.tenant_id,))
        return in_scope(_input, scope), _input.run_id == run_id


def _to_input(row: Any) -> RunInput:
    return RunInput(**{name: getattr(row, name) for name in RunInput.__slots__})
