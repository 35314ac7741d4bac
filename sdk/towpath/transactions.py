"""Transactions: what tasks have done is committed, or rolled back, as a whole.

with transaction():
upload(report)  # with a hook: @upload.on_rollback
check(report)
"""

from __future__ import annotations

from towpath._results.isolation import IsolationLevel
from towpath._transactions.blocks import (
    AsyncTransaction,
    Transaction,
    atransaction,
    get_transaction,
    transaction,
)
from towpath._transactions.modes import CommitMode, TransactionState
from towpath._transactions.transaction import BaseTransaction

__all__ = [
    "AsyncTransaction",
    "BaseTransaction",
    "CommitMode",
    "IsolationLevel",
    "Transaction",
    "TransactionState",
    "atransaction",
    "get_transaction",
    "transaction",
]
