"""The messages of errors that the SDK makes of a service's statuses."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from towpath._transport.statuses import to_rpc_error
from towpath.exceptions import Conflict


def disabled(feature: str) -> status_pb2.Status:
    """The status of a service that lacks a feature."""
    status = status_pb2.Status(code=code_pb2.UNIMPLEMENTED, message="as the service says")
    info = error_details_pb2.ErrorInfo(reason="FEATURE_DISABLED", metadata={"feature": feature})
    status.details.add().Pack(info)
    return status


def test_a_rpc_that_the_service_lacks_is_named_with_the_version_that_has_it() -> None:
    error = to_rpc_error(disabled("towpath.api.v1.VariableService/ListVariables"), "here:4200")
    assert isinstance(error, Conflict)
    assert str(error) == (
        "the server at here:4200 is older than this client and has no"
        f" VariableService.ListVariables: Towpath {version('towpath')} has it, upgrade the server"
    )


@pytest.mark.parametrize("feature", ["secrets", "identity", "", "other.v1.Service/Call"])
def test_a_feature_that_is_off_keeps_the_message_of_the_service(feature: str) -> None:
    assert str(to_rpc_error(disabled(feature), "here:4200")) == "as the service says"
