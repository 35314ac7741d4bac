"""Bad values of requests, and how each is refused: part of the catalogue."""

from __future__ import annotations

from uuid import uuid4

from tests.in_process.producing import recording, transition
from tests.unit.service.identity.refusals import (
    INVALID,
    Row,
    update,
)
from tests.unit.service.identity.wire import CANARY, LIST, PARENT, PRODUCER, RUN

VALUES: dict[str, Row] = {
    "50 an id of a path": Row(
        INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": f"{PARENT}/runs/../../x"}
    ),
    "50 an id in capitals": Row(
        INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": RUN.upper()}
    ),
    "50 an id in braces": Row(
        INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": f"{PARENT}/runs/{{x}}"}
    ),
    "50 no id": Row(INVALID, "INVALID_REQUEST", "RunService/GetRun", {"name": ""}),
    "50 a workspace of a path": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/../default"}
    ),
    "50 a workspace of look-alikes": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/def\N{CYRILLIC SMALL LETTER A}ult"}
    ),
    "50 a workspace with a line feed": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/default\n"}
    ),
    "50 a workspace of %2e": Row(INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/%2e%2e"}),
    "52 a NUL": Row(INVALID, "INVALID_REQUEST", LIST, {"parent": "workspaces/a\0b"}),
    "58 SQL for a value": Row(
        "OK",
        "",
        LIST,
        {"parent": PARENT, "filter": 'display_name = "\'; DROP TABLE run;--"'},
        holds=lambda answer: len(answer.runs) == 0,
    ),
    "59 a filter of an unknown field": Row(
        INVALID, "INVALID_FILTER", LIST, {"parent": PARENT, "filter": "tenant_id = 1"}
    ),
    "59 a filter that is SQL": Row(
        INVALID, "INVALID_FILTER", LIST, {"parent": PARENT, "filter": "1=1; DROP TABLE run"}
    ),
    "59 a filter of 5 KB": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": PARENT, "filter": "x" * 5000}
    ),
    "59 a filter 200 deep": Row(
        INVALID, "INVALID_FILTER", LIST, {"parent": PARENT, "filter": "(" * 200 + ")" * 200}
    ),
    "60 an order of SQL": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": PARENT, "order_by": "id; select"}
    ),
    "61 less than a page": Row(
        INVALID, "INVALID_REQUEST", LIST, {"parent": PARENT, "page_size": -1}
    ),
    "61 a million to a page": Row("OK", "", LIST, {"parent": PARENT, "page_size": 1_000_000}),
    "62 a page of nobody's": Row(
        INVALID, "INVALID_PAGE_TOKEN", LIST, {"parent": PARENT, "page_token": "AAAA"}
    ),
    "62 a page of another question": Row(
        INVALID,
        "INVALID_PAGE_TOKEN",
        "AccessService/ListUsers",
        lambda wire: {
            "page_token": wire.ask(
                wire.owner, "AccessService/ListRoles", page_size=1
            ).next_page_token
        },
    ),
    "62 a page of another tenant's": Row(
        INVALID,
        "INVALID_PAGE_TOKEN",
        "AccessService/ListRoles",
        lambda wire: {
            "page_token": wire.ask(
                wire.other, "AccessService/ListRoles", page_size=1
            ).next_page_token
        },
    ),
    "62 a watch of another's token": Row(
        INVALID,
        "RESUME_TOKEN_INVALID",
        "RunService/WatchRuns",
        lambda wire: {
            "parent": PARENT,
            "resume_token": wire.ask(wire.other, LIST, parent=PARENT).resume_token,
        },
        connect=False,
    ),
    "75 what another tenant has committed": Row(
        INVALID,
        "INVALID_REQUEST",
        "RunService/GetRun",
        lambda wire: {"name": f"{PARENT}/runs/{wire.run_id}", "consistency_token": "AAAA"},
    ),
    "55 a secret of 65 KB": Row(
        INVALID,
        "INVALID_REQUEST",
        "SecretService/CreateSecret",
        {"parent": PARENT, "secret_id": "large", "secret": {"value": CANARY.encode() * 9000}},
    ),
    "50 a secret of a path": Row(
        INVALID, "INVALID_REQUEST", "SecretService/GetSecret", {"name": f"{PARENT}/secrets/../x"}
    ),
    "70 an update of what is the service's": Row(
        INVALID,
        "INVALID_REQUEST",
        "SecretService/UpdateSecret",
        {
            "secret": {"name": f"{PARENT}/secrets/x", "value": b"x"},
            "update_mask": {"paths": ["setter"]},
        },
    ),
    "56 too many updates": Row(
        INVALID,
        "STREAM_PROTOCOL",
        "IngestService/RecordUpdates",
        lambda _: recording(
            PRODUCER, 1, *(transition(str(uuid4())) for _ in range(1001))
        ).SerializeToString(),
    ),
    "56 no updates": Row(
        INVALID,
        "STREAM_PROTOCOL",
        "IngestService/RecordUpdates",
        lambda _: recording(PRODUCER, 1).SerializeToString(),
    ),
    "50 a producer that is no id": Row(
        INVALID,
        "INVALID_REQUEST",
        "IngestService/RecordUpdates",
        lambda _: update(producer_id="../x"),
    ),
    "75 a gap": Row(
        "OUT_OF_RANGE",
        "SEQUENCE_GAP",
        "IngestService/RecordUpdates",
        lambda _: recording(str(uuid4()), 7, transition(str(uuid4()))).SerializeToString(),
    ),
    "21 a producer of nobody's": Row(
        "NOT_FOUND",
        "RESOURCE_NOT_FOUND",
        "IngestService/GetProducer",
        {"workspace": PARENT, "producer_id": str(uuid4())},
    ),
    "77 a workspace twice": Row(
        "ALREADY_EXISTS",
        "RESOURCE_EXISTS",
        "AccessService/CreateWorkspace",
        {"workspace_id": "default"},
    ),
    "52 a name of 300 characters": Row(
        INVALID,
        "INVALID_REQUEST",
        "AccessService/CreateWorkspace",
        {"workspace_id": "fine", "display_name": "x" * 300},
    ),
    "78 a run that goes on": Row(
        "FAILED_PRECONDITION",
        "RESOURCE_IN_USE",
        "RunService/DeleteRun",
        lambda wire: {"name": f"{PARENT}/runs/{wire.run_id}"},
    ),
}
