"""Looks up the contract's rpcs by name in the generated descriptors."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pool, message_factory

from towpath.api.v1 import (
    access_service_pb2,
    auth_service_pb2,
    flow_service_pb2,
    ingest_service_pb2,
    log_service_pb2,
    run_service_pb2,
    secret_service_pb2,
    server_service_pb2,
    tenant_service_pb2,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

_KNOWN = (
    access_service_pb2,
    auth_service_pb2,
    flow_service_pb2,
    ingest_service_pb2,
    log_service_pb2,
    run_service_pb2,
    secret_service_pb2,
    server_service_pb2,
    tenant_service_pb2,
)


@cache
def response_type(method: str) -> type[Message]:
    """Returns the type of a method's answers, for "towpath.api.v1.RunService/GetRun".

    Raises:
        KeyError: The contract has no such method.
    """
    service, _, name = method.partition("/")
    found = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
    return message_factory.GetMessageClass(found.output_type)
