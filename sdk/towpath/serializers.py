"""Serializers of results, for `result_serializer` of flows and tasks.

    @task(persist_result=True, result_serializer=CompressedSerializer(serializer="json"))

Whatever the serializer, a result is read back when it is written, and compared.
"""

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
