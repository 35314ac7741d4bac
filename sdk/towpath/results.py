"""Stores of results: what runs have kept, by key.

    store = get_result_store()
    store.write({"rows": 3}, key="report")
    print(store.read("report").result)

The keys are those that `result_storage_key` of a task gives.
"""

from __future__ import annotations

from towpath._results.result_stores import (
    ResultRecord,
    ResultRecordMetadata,
    ResultStore,
    get_result_store,
)

__all__ = ["ResultRecord", "ResultRecordMetadata", "ResultStore", "get_result_store"]
