"""Serializers of results, for `result_serializer` of flows and tasks.

    @task(persist_result=True, result_serializer=CompressedSerializer(serializer="json"))

Whatever the serializer, a result is read back when it is written, and compared.
"""

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing
from towpath._results.serializers import (
    CompressedJSONSerializer,
    CompressedPickleSerializer,
    CompressedSerializer,
    JSONSerializer,
    PickleSerializer,
    Serializer,
)

__all__ = [
    "CompressedJSONSerializer",
    "CompressedPickleSerializer",
    "CompressedSerializer",
    "JSONSerializer",
    "PickleSerializer",
    "Serializer",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
