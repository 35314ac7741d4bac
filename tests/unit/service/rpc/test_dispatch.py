"""Every call goes one way, and every failure leaves it as an error fit for the caller."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from towpath.api.v1 import auth_service_pb2, log_service_pb2, server_service_pb2
from towpath_auth import LOCAL_CALLER, Caller
from towpath_service.core.errors import ServiceError
from towpath_service.rpc.dispatcher import Dispatcher, LocalAuthenticator
from towpath_service.rpc.endpoints import (
    MAX_JSON_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_REQUEST_BYTES,
    JsonText,
)
from towpath_service.rpc.validation import check

from tests.unit.service.rpc.fakes import FakeLogHandler, FakeServerHandler

INFO = "towpath.api.v1.ServerService/GetServerInfo"
TABLE = "towpath.api.v1.ServerService/GetTransitionTable"
TAIL = "towpath.api.v1.LogService/TailLogs"
WRITE = "towpath.api.v1.LogService/WriteLogs"
REQUEST = server_service_pb2.GetServerInfoRequest()
TAIL_REQUEST = log_service_pb2.TailLogsRequest(
    parent="workspaces/default/runs/01978d2a-7c1e-7aaa-8bbb-0123456789ab"
)


def dispatcher(*handlers: Any, **options: Any) -> Dispatcher:
    return Dispatcher(handlers or (FakeServerHandler(),), LocalAuthenticator(), **options)


async def failure(made: Dispatcher, request: Any = REQUEST, name: str = INFO) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        await made.unary(made.endpoint(name), request, {})
    return raised.value


def raises(error: Exception) -> FakeServerHandler:
    def work(_: Any) -> None:
        raise error

    return FakeServerHandler(work)


async def test_a_handler_gets_the_message_and_the_caller() -> None:
    handler = FakeServerHandler()
    made = dispatcher(handler)
    answer = await made.unary(made.endpoint(INFO), REQUEST.SerializeToString(), {})
    assert answer == server_service_pb2.GetServerInfoResponse(version="fake")
    assert handler.callers == [LOCAL_CALLER]


def test_a_handler_that_lacks_a_method_is_refused_at_the_start() -> None:
    class Partial:
        service = "towpath.api.v1.LogService"

    with pytest.raises(LookupError, match=r"nothing implements towpath\.api\.v1\.LogService/"):
        dispatcher(Partial())


async def test_a_service_may_have_several_handlers() -> None:
    class Information:
        service = "towpath.api.v1.ServerService"

        async def get_server_info(self, request: Any, caller: Caller) -> Any:
            del request, caller
            return server_service_pb2.GetServerInfoResponse(version="of one handler")

    class Transitions:
        service = "towpath.api.v1.ServerService"

        async def get_transition_table(self, request: Any, caller: Caller) -> Any:
            del request, caller
            return server_service_pb2.GetTransitionTableResponse()

    made = dispatcher(Information(), Transitions())
    assert made.services == ["towpath.api.v1.ServerService"]
    answer: Any = await made.unary(made.endpoint(INFO), REQUEST, {})
    assert answer.version == "of one handler"
    await made.unary(made.endpoint(TABLE), server_service_pb2.GetTransitionTableRequest(), {})


def test_an_rpc_with_two_implementations_is_refused_at_the_start() -> None:
    with pytest.raises(LookupError, match=r"2 handlers implement towpath\.api\.v1\.ServerService/"):
        dispatcher(FakeServerHandler(), FakeServerHandler())


def test_endpoints_know_what_the_contract_says_of_them() -> None:
    made = dispatcher(FakeServerHandler(), FakeLogHandler())
    assert made.services == ["towpath.api.v1.LogService", "towpath.api.v1.ServerService"]
    assert (made.endpoint(INFO).kind, made.endpoint(TAIL).kind) == ("unary", "server_stream")
    assert made.endpoint(INFO).without_side_effects
    assert not made.endpoint(WRITE).without_side_effects


def test_an_unknown_method_is_unimplemented() -> None:
    with pytest.raises(ServiceError) as raised:
        dispatcher().endpoint("towpath.api.v1.ServerService/Nope")
    assert raised.value.reason == "FEATURE_DISABLED"


async def test_bytes_that_are_no_message_are_an_invalid_request() -> None:
    error = await failure(dispatcher(), b"\xff\xff\xff")
    assert error.reason == "INVALID_REQUEST"
    assert "towpath.api.v1.GetServerInfoRequest" in error.message


async def test_a_broken_rule_names_its_field() -> None:
    request = server_service_pb2.GetServerInfoRequest(client="x" * 64)
    error = await failure(dispatcher(), request)
    assert error.reason == "INVALID_REQUEST"
    assert [violation.field for violation in error.violations] == ["client"]


def test_every_broken_rule_of_a_small_request_is_told() -> None:
    request = auth_service_pb2.ExchangeTokenRequest(api_key="x", permissions=["", "", ""])
    with pytest.raises(ServiceError) as raised:
        check(request)
    assert len(raised.value.violations) == 3


def test_a_large_request_is_not_judged_beyond_its_first_broken_rule() -> None:
    request = auth_service_pb2.ExchangeTokenRequest(api_key="x", permissions=[""] * 100_000)
    with pytest.raises(ServiceError) as raised:
        check(request)
    assert len(raised.value.violations) == 1


async def test_a_broken_rule_ends_a_stream_before_it_begins() -> None:
    made = dispatcher(FakeLogHandler())
    request = log_service_pb2.TailLogsRequest(parent="", tail_lines=-1)
    with pytest.raises(ServiceError) as raised:
        await anext(made.server_stream(made.endpoint(TAIL), request, {}))
    assert raised.value.reason == "INVALID_REQUEST"


async def test_an_oversized_request_is_refused_before_it_is_parsed() -> None:
    error = await failure(dispatcher(), b"\xff" * (MAX_REQUEST_BYTES + 1))
    assert error.reason == "PAYLOAD_TOO_LARGE"
    assert error.metadata == {
        "limit_bytes": str(MAX_REQUEST_BYTES),
        "actual_bytes": str(MAX_REQUEST_BYTES + 1),
    }


async def test_batches_may_be_larger_and_are_left_to_their_handler() -> None:
    made = dispatcher(FakeLogHandler())
    record = log_service_pb2.LogRecord(body="x" * 1_000_000)
    request = log_service_pb2.WriteLogsRequest(records=[record] * 2)
    answer: Any = await made.unary(made.endpoint(WRITE), request.SerializeToString(), {})
    assert answer.message == "2 records"
    assert made.endpoint(WRITE).max_bytes == MAX_MESSAGE_BYTES


class NobodyIsKnown(LocalAuthenticator):
    async def authenticate(self, metadata: Any) -> Caller:
        raise ServiceError(reason="CREDENTIAL_MISSING", message="a token is needed")


@pytest.mark.parametrize("request_", [b"\xff", JsonText(b"{")])
async def test_nothing_is_parsed_before_it_is_known_who_asks(request_: Any) -> None:
    made = Dispatcher((FakeLogHandler(),), NobodyIsKnown())
    error = await failure(made, request_, WRITE)
    assert error.reason == "CREDENTIAL_MISSING"


async def test_json_is_parsed() -> None:
    made = dispatcher(FakeLogHandler())
    request = JsonText(b'{"records": [{"body": "one"}, {}]}')
    answer: Any = await made.unary(made.endpoint(WRITE), request, {})
    assert answer.message == "2 records"


@pytest.mark.parametrize(("name", "most"), [(INFO, MAX_REQUEST_BYTES), (WRITE, MAX_JSON_BYTES)])
async def test_oversized_json_is_refused_before_it_is_parsed(name: str, most: int) -> None:
    made = dispatcher(FakeServerHandler(), FakeLogHandler())
    error = await failure(made, JsonText(b"{" * (most + 1)), name)
    assert error.reason == "PAYLOAD_TOO_LARGE"
    assert error.metadata["limit_bytes"] == str(most)


async def test_a_large_batch_of_empty_parts_is_refused_before_it_is_parsed() -> None:
    made = dispatcher(FakeLogHandler())
    empty = log_service_pb2.WriteLogsRequest(records=[log_service_pb2.LogRecord()])
    error = await failure(made, empty.SerializeToString() * 1_000_000, WRITE)
    assert error.reason == "PAYLOAD_TOO_LARGE"
    assert "fields" in error.message


async def test_a_service_error_passes_as_it_is() -> None:
    told = ServiceError(reason="RESOURCE_NOT_FOUND", message="run x was not found")
    assert await failure(dispatcher(raises(told))) is told


async def test_any_other_error_becomes_internal_and_tells_only_a_reference(
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = RuntimeError("SELECT secret FROM /var/lib/towpath.db")
    with caplog.at_level(logging.ERROR):
        error = await failure(dispatcher(raises(secret)))
    assert error.reason == "INTERNAL"
    assert error.message == f"internal error; reference {error.metadata['reference']}"
    [line] = [record for record in caplog.records if record.name.startswith("towpath_service")]
    assert error.metadata["reference"] in line.getMessage()
    assert line.exc_info is not None
    assert line.exc_info[1] is secret


async def test_a_service_error_of_an_undocumented_reason_is_internal() -> None:
    told = ServiceError(reason="MADE_UP", message="what nobody knows")
    assert (await failure(dispatcher(raises(told)))).reason == "INTERNAL"


async def test_what_is_not_implemented_is_unimplemented() -> None:
    assert (await failure(dispatcher(), b"", TABLE)).reason == "FEATURE_DISABLED"


async def test_a_call_that_takes_too_long_ends_by_the_servers_deadline() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    made = dispatcher(FakeServerHandler(lambda _: forever()), deadline_seconds=0.01)
    assert (await failure(made)).reason == "DEADLINE_EXCEEDED"


async def test_a_caller_who_is_not_let_in_reaches_no_handler() -> None:
    class Nobody(LocalAuthenticator):
        async def authenticate(self, metadata: Any) -> Any:
            raise ServiceError(reason="CREDENTIAL_INVALID", message="invalid credentials")

    handler = FakeLogHandler()
    made = Dispatcher((handler,), Nobody())
    with pytest.raises(ServiceError) as raised:
        await made.unary(made.endpoint("towpath.api.v1.LogService/ListLogs"), b"", {})
    assert raised.value.reason == "CREDENTIAL_INVALID"
    answers: Any = made.server_stream(made.endpoint(TAIL), TAIL_REQUEST, {})
    with pytest.raises(ServiceError):
        await anext(answers)
    assert not handler.closed


async def test_a_stream_gives_its_answers_and_then_its_failure() -> None:
    def fail() -> None:
        raise RuntimeError("secret")

    made = dispatcher(FakeLogHandler(fail))
    answers: Any = made.server_stream(made.endpoint(TAIL), TAIL_REQUEST, {})
    assert [(await anext(answers)).resume_token for _ in range(2)] == ["one", "two"]
    with pytest.raises(ServiceError) as raised:
        await anext(answers)
    assert raised.value.reason == "INTERNAL"
    assert "secret" not in raised.value.message


async def test_closing_a_stream_closes_the_handler_at_once() -> None:
    handler = FakeLogHandler()
    made = dispatcher(handler)
    answers = made.server_stream(made.endpoint(TAIL), TAIL_REQUEST, {})
    await anext(answers)
    await answers.aclose()
    assert handler.closed
