"""The whole store of runs as one port, for the wiring and for other subjects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from towpath_service.runs.ports.ingest import IngestStore
from towpath_service.runs.ports.reads import ReadStore
from towpath_service.runs.ports.retention import RetentionStore

if TYPE_CHECKING:
    from towpath_service.core.transactions import Transaction
    from towpath_service.runs.ports.ingest import IngestTransaction


class RunStore(IngestStore, ReadStore, RetentionStore, Protocol):
    """Keeps runs, transitions and logs."""

    def on(self, transaction: Transaction) -> IngestTransaction:
        """The runs within a transaction that another subject has opened.

        Args:
            transaction: A writing transaction of the runs' tenants.
        """
        ...
