"""What the audit log shows of requests: no sensitive field, wherever it is."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from towpath.api.v1 import access_service_pb2, secret_service_pb2
from towpath_service.identity.rpc.guard import shown

CANARY = "canary-7f3d9a51c2"


def holder() -> Any:
    """A message type with secrets in a field, a list and maps: more than the contract has."""
    file = descriptor_pb2.FileDescriptorProto(
        name="tests/holder.proto", package="tests", syntax="proto3"
    )
    file.dependency.append("towpath/api/v1/secret_service.proto")
    holder = file.message_type.add(name="Holder")
    field = descriptor_pb2.FieldDescriptorProto
    secret = ".towpath.api.v1.Secret"
    for number, (name, kind, label) in enumerate(
        (
            ("one", secret, field.LABEL_OPTIONAL),
            ("many", secret, field.LABEL_REPEATED),
            ("named", ".tests.Holder.NamedEntry", field.LABEL_REPEATED),
            ("labels", ".tests.Holder.LabelsEntry", field.LABEL_REPEATED),
            ("deeper", ".tests.Holder", field.LABEL_REPEATED),
        ),
        1,
    ):
        holder.field.add(
            name=name, number=number, label=label, type=field.TYPE_MESSAGE, type_name=kind
        )
    for name, kind in (("NamedEntry", secret), ("LabelsEntry", "")):
        entry = holder.nested_type.add(name=name)
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=field.LABEL_OPTIONAL, type=field.TYPE_STRING)
        value = entry.field.add(name="value", number=2, label=field.LABEL_OPTIONAL)
        value.type = field.TYPE_STRING
        if kind:
            value.type, value.type_name = field.TYPE_MESSAGE, kind
    pool = descriptor_pool.Default()
    return message_factory.GetMessageClass(pool.Add(file).message_types_by_name["Holder"])


def test_a_sensitive_field_is_shown_nowhere_however_deep() -> None:
    kind = holder()
    secret = secret_service_pb2.Secret(name="s", value=CANARY.encode())
    inner = kind(one=secret, many=[secret, secret], labels={"a": "b"})
    inner.named["x"].CopyFrom(secret)
    text = shown(kind(deeper=[inner], one=secret))
    kept = {"name": "s"}
    assert json.loads(text) == {
        "one": kept,
        "deeper": [{"one": kept, "many": [kept, kept], "named": {"x": kept}, "labels": {"a": "b"}}],
    }
    assert inner.one.value == CANARY.encode()


def test_a_sensitive_text_is_blanked() -> None:
    text = shown(access_service_pb2.CreateApiKeyResponse(key=CANARY))
    assert json.loads(text) == {"key": "***"}


def test_values_of_secrets_are_marked_sensitive() -> None:
    for message in (
        secret_service_pb2.CreateSecretRequest(secret={"value": CANARY.encode()}),
        secret_service_pb2.UpdateSecretRequest(secret={"value": CANARY.encode()}),
        secret_service_pb2.AccessSecretResponse(value=CANARY.encode()),
    ):
        assert CANARY not in shown(message)
        assert "Y2FuYXJ5" not in shown(message)
