"""What either of two tenants does, with the names and ids that the other has, too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from towpath_service.core.errors import ServiceError

from tests.in_process.producing import artifact, batch, creation, rename, transition

if TYPE_CHECKING:
    from tests.in_process.place import Place

RUNS: Final = [str(UUID(int=0xA000 + number, version=4)) for number in range(3)]
CREATED: Final = str(UUID(int=0xC000, version=4))
PRODUCER: Final = str(UUID(int=0xB000, version=4))
LOGS: Final = str(UUID(int=0xB001, version=4))
PARENT: Final = "workspaces/default"
CANARY: Final = "canary-of-the-other"

POOL: Final = f"{PARENT}/workPools/p-N"
FLOW: Final = f"{PARENT}/flows/f-N"
DEPLOYMENT: Final = f"{FLOW}/deployments/d-N"
SCHEDULE: Final = f"{DEPLOYMENT}/schedules/s-N"
RULE: Final[dict[str, Any]] = {"cron": {"expression": "0 2 * * *"}, "label": "NAME"}
BACKFILL_ID: Final = "BACKFILL"
BACKFILL: Final[dict[str, Any]] = {
    "deployment": DEPLOYMENT,
    "start_time": {"seconds": 1_700_000_000},
    "end_time": {"seconds": 1_700_100_000},
}
SLOTS: Final[dict[str, Any]] = {
    "acquisition_id": BACKFILL_ID,
    "slots": [{"limit_id": "l-N"}],
}
SENT: Final[dict[str, Any]] = {
    "input_id": str(UUID(int=0xD000, version=4)),
    "key_prefix": "x",
    "content": {"data": b'"NAME"'},
}

Asking = tuple[str, dict[str, Any]]

# By kind: the rpc, and its fields, in which RUN, N and NAME stand for what the step is about.
ASKING: Final[dict[str, Asking]] = {
    "get": ("RunService/GetRun", {"name": "RUN"}),
    "get several": (
        "RunService/BatchGetRuns",
        {"parent": PARENT, "names": [f"{PARENT}/runs/{run_id}" for run_id in RUNS]},
    ),
    "delete": ("RunService/DeleteRun", {"name": "RUN"}),
    "create": (
        "RunService/CreateRun",
        {"parent": PARENT, "deployment": DEPLOYMENT, "run_id": CREATED, "idempotency_key": "N"},
    ),
    "cancel": ("RunService/CancelRun", {"name": "RUN"}),
    "explain": ("RunService/ExplainRun", {"name": "RUN"}),
    "pause": ("RunService/PauseRun", {"name": "RUN"}),
    "resume": ("RunService/ResumeRun", {"name": "RUN"}),
    "retry": ("RunService/RetryRun", {"name": "RUN"}),
    "await input": ("RunService/AwaitRunInput", {"name": "RUN", "pause_key": "1"}),
    "send input": ("RunService/SendRunInput", {"name": "RUN", "input": SENT}),
    "receive inputs": ("RunService/ReceiveRunInputs", {"name": "RUN", "key_prefix": "x"}),
    "graph": ("RunService/GetRunGraph", {"name": "RUN"}),
    "timeline": ("RunService/StreamRunTimeline", {"name": "RUN"}),
    "history": ("RunService/ListRunTransitions", {"parent": "RUN"}),
    "decisions": ("RunService/ListRunDecisions", {"parent": "RUN"}),
    "list": ("RunService/ListRuns", {"parent": PARENT}),
    "watch": ("RunService/WatchRuns", {"parent": PARENT}),
    "watch states": ("RunService/WatchRunTransitions", {"parent": PARENT}),
    "count": (
        "RunService/AggregateRuns",
        {"parent": PARENT, "time_range": {"start_time": {"seconds": 1}}},
    ),
    "flows": ("FlowService/ListFlows", {"parent": PARENT}),
    "logs": ("LogService/ListLogs", {"parent": "RUN"}),
    "tail": ("LogService/TailLogs", {"parent": "RUN"}),
    "producer": ("IngestService/GetProducer", {"workspace": PARENT, "producer_id": PRODUCER}),
    "stream": (
        "IngestService/StreamUpdates",
        {"open": {"workspace": PARENT, "producer_id": PRODUCER}},
    ),
    "keep": (
        "SecretService/CreateSecret",
        {"parent": PARENT, "secret_id": "s-N", "secret": {"value": b"NAME"}},
    ),
    "change": (
        "SecretService/UpdateSecret",
        {"secret": {"name": f"{PARENT}/secrets/s-N", "value": b"NAMENAME"}},
    ),
    "drop": ("SecretService/DeleteSecret", {"name": f"{PARENT}/secrets/s-N"}),
    "describe": ("SecretService/GetSecret", {"name": f"{PARENT}/secrets/s-N"}),
    "secrets": ("SecretService/ListSecrets", {"parent": PARENT}),
    "use": ("SecretService/AccessSecret", {"name": f"{PARENT}/secrets/s-N"}),
    "variable": (
        "VariableService/CreateVariable",
        {"parent": PARENT, "variable_id": "v-N", "variable": {"value_json": "1", "tags": ["NAME"]}},
    ),
    "change variable": (
        "VariableService/UpdateVariable",
        {
            "variable": {"name": f"{PARENT}/variables/v-N", "tags": ["NAME"]},
            "allow_missing": True,
        },
    ),
    "show variable": ("VariableService/GetVariable", {"name": f"{PARENT}/variables/v-N"}),
    "show artifact": ("ArtifactService/GetArtifact", {"name": "ARTIFACT"}),
    "artifacts": ("ArtifactService/ListArtifacts", {"parent": PARENT, "key": "report"}),
    "variables": ("VariableService/ListVariables", {"parent": PARENT}),
    "drop variable": ("VariableService/DeleteVariable", {"name": f"{PARENT}/variables/v-N"}),
    "space": ("AccessService/CreateWorkspace", {"workspace_id": "w-N", "display_name": "NAME"}),
    "no space": ("AccessService/DeleteWorkspace", {"name": "workspaces/w-N"}),
    "spaces": ("AccessService/ListWorkspaces", {}),
    "user": (
        "AccessService/CreateUser",
        {"email": "u-N@same.test", "display_name": "NAME", "role": "roles/viewer"},
    ),
    "no user": ("AccessService/DeleteUser", {"name": "users/u-N@same.test"}),
    "users": ("AccessService/ListUsers", {}),
    "account": (
        "AccessService/CreateServiceAccount",
        {"service_account_id": "a-N", "display_name": "NAME", "role": "roles/runner"},
    ),
    "no account": ("AccessService/DeleteServiceAccount", {"name": "serviceAccounts/a-N"}),
    "accounts": ("AccessService/ListServiceAccounts", {}),
    "key": ("AccessService/CreateApiKey", {"parent": "serviceAccounts/a-N"}),
    "keys": ("AccessService/ListApiKeys", {"parent": "serviceAccounts/a-N"}),
    "role": (
        "AccessService/CreateRole",
        {"role_id": "r-N", "display_name": "NAME", "permissions": ["run.read"]},
    ),
    "no role": ("AccessService/DeleteRole", {"name": "roles/r-N"}),
    "roles": ("AccessService/ListRoles", {}),
    "give": (
        "AccessService/CreateRoleBinding",
        {"principal": "users/u-N@same.test", "role": "roles/r-N"},
    ),
    "take": (
        "AccessService/DeleteRoleBinding",
        {"principal": "users/u-N@same.test", "role": "roles/r-N"},
    ),
    "given": ("AccessService/ListRoleBindings", {}),
    "may": ("AccessService/TestPermissions", {"permissions": ["run.read"]}),
    "trust": (
        "AccessService/CreateTrust",
        {
            "trust_id": "t-N",
            "trust": {
                "issuer": "https://issuer.example",
                "audiences": ["towpath"],
                "service_account": "serviceAccounts/a-N",
                "rules": [{"path": "sub", "value": "x"}],
                "jwks": '{"keys":[]}',
            },
        },
    ),
    "no trust": ("AccessService/DeleteTrust", {"name": "trusts/t-N"}),
    "trusts": ("AccessService/ListTrusts", {}),
    "audit": ("AccessService/ListAuditEntries", {}),
    "usage": ("AccessService/GetUsage", {}),
    "caller": ("AuthService/GetCaller", {}),
    "pool": (
        "WorkService/CreateWorkPool",
        {
            "parent": PARENT,
            "work_pool_id": "p-N",
            "work_pool": {"kind": "process", "description": "NAME"},
        },
    ),
    "change pool": (
        "WorkService/UpdateWorkPool",
        {"work_pool": {"name": POOL, "description": "NAME"}},
    ),
    "show pool": ("WorkService/GetWorkPool", {"name": POOL}),
    "pools": ("WorkService/ListWorkPools", {"parent": PARENT}),
    "queue": (
        "WorkService/CreateWorkQueue",
        {"parent": POOL, "work_queue_id": "q-N", "work_queue": {"description": "NAME"}},
    ),
    "change queue": (
        "WorkService/UpdateWorkQueue",
        {"work_queue": {"name": f"{POOL}/queues/q-N", "description": "NAME"}},
    ),
    "show queue": ("WorkService/GetWorkQueue", {"name": f"{POOL}/queues/q-N"}),
    "queues": ("WorkService/ListWorkQueues", {"parent": POOL}),
    "show worker": ("WorkService/GetWorker", {"name": f"{POOL}/workers/w-N"}),
    "workers": ("WorkService/ListWorkers", {"parent": POOL}),
    "drain": ("WorkService/DrainWorker", {"name": f"{POOL}/workers/w-N"}),
    "pause worker": ("WorkService/PauseWorker", {"name": f"{POOL}/workers/w-N"}),
    "resume worker": ("WorkService/ResumeWorker", {"name": f"{POOL}/workers/w-N"}),
    "no worker": ("WorkService/DeleteWorker", {"name": f"{POOL}/workers/w-N"}),
    "deployment": (
        "DeploymentService/CreateDeployment",
        {
            "parent": FLOW,
            "deployment_id": "d-N",
            "deployment": {"entrypoint": "x", "description": "NAME"},
        },
    ),
    "deploy": (
        "DeploymentService/UpdateDeployment",
        {
            "deployment": {"name": DEPLOYMENT, "entrypoint": "x", "work_pool": POOL},
            "allow_missing": True,
        },
    ),
    "show deployment": ("DeploymentService/GetDeployment", {"name": DEPLOYMENT}),
    "deployments": ("DeploymentService/ListDeployments", {"parent": PARENT}),
    "schedule": (
        "DeploymentService/CreateSchedule",
        {"parent": DEPLOYMENT, "schedule_id": "s-N", "schedule": RULE},
    ),
    "change schedule": (
        "DeploymentService/UpdateSchedule",
        {"schedule": {"name": SCHEDULE, **RULE, "paused": True}},
    ),
    "show schedule": ("DeploymentService/GetSchedule", {"name": SCHEDULE}),
    "schedules": ("DeploymentService/ListSchedules", {"parent": f"{PARENT}/flows/-/deployments/-"}),
    "slots": ("DeploymentService/ListScheduleSlots", {"parent": SCHEDULE}),
    "preview": ("DeploymentService/PreviewSchedule", {"parent": PARENT, "schedule": RULE}),
    "backfill": (
        "BackfillService/CreateBackfill",
        {"parent": PARENT, "backfill": BACKFILL, "request_id": BACKFILL_ID},
    ),
    "show backfill": (
        "BackfillService/GetBackfill",
        {"name": f"{PARENT}/backfills/{BACKFILL_ID}"},
    ),
    "backfills": ("BackfillService/ListBackfills", {"parent": PARENT}),
    "drop backfill": (
        "BackfillService/CancelBackfill",
        {"name": f"{PARENT}/backfills/{BACKFILL_ID}"},
    ),
    "limit": (
        "LimitService/SetLimit",
        {"parent": PARENT, "limit_id": "l-N", "limit": {"slots": 1, "description": "NAME"}},
    ),
    "show limit": ("LimitService/GetLimit", {"name": f"{PARENT}/limits/l-N"}),
    "limits": ("LimitService/ListLimits", {"parent": PARENT}),
    "holders": ("LimitService/ListHolders", {"parent": f"{PARENT}/limits/l-N"}),
    "acquire": ("LimitService/AcquireSlots", {"parent": PARENT, **SLOTS, "holder": "NAME"}),
    "reserve": ("LimitService/ReserveSlots", {"parent": PARENT, **SLOTS}),
    "renew": ("LimitService/RenewSlots", {"parent": PARENT, "acquisition_ids": [BACKFILL_ID]}),
    "drop holder": (
        "LimitService/EndHolder",
        {"name": f"{PARENT}/limits/l-N/holders/{BACKFILL_ID}"},
    ),
    "tags": ("LimitService/GetLimitedTags", {"parent": PARENT}),
    "drop slots": (
        "LimitService/ReleaseSlots",
        {"parent": PARENT, "acquisition_ids": [BACKFILL_ID]},
    ),
    "drop limit": ("LimitService/DeleteLimit", {"name": f"{PARENT}/limits/l-N"}),
    "drop schedule": ("DeploymentService/DeleteSchedule", {"name": SCHEDULE}),
    "drop deployment": ("DeploymentService/DeleteDeployment", {"name": DEPLOYMENT}),
    "drop queue": ("WorkService/DeleteWorkQueue", {"name": f"{POOL}/queues/q-N"}),
    "no pool": ("WorkService/DeleteWorkPool", {"name": POOL}),
}
REPORTING: Final = ("create", "complete", "rename", "make", "write logs")
KINDS: Final = (*REPORTING, *ASKING)
# Of one's own credential, of everybody, or of the operator; a few have tests of their own.
NOT_DONE: Final = {
    "AuthService": "what is exchanged and signed in belongs to no tenant yet: test_sign_in.py",
    "ServerService": "the same for everybody",
    "TenantService": "the operator's: test_members.py, test_permissions.py",
    "AccessService/RotateApiKey": "named by an id that is random: test_keys.py",
    "AccessService/RevokeApiKey": "named by an id that is random: test_keys.py",
    "WorkService/AttachWorker": "leases have random ids: test_identity_of_workers.py",
}


class Step(NamedTuple):
    """What one of the two does."""

    mine: bool
    kind: str
    number: int


async def machine_of(place: Place, owner: str) -> str:
    """A token of a service account that may use secrets, of the same id in each tenant."""
    made = {"service_account_id": "machine", "role": "roles/runner"}
    await place.call(owner, "AccessService/CreateServiceAccount", **made)
    key = await place.call(owner, "AccessService/CreateApiKey", parent="serviceAccounts/machine")
    return await place.token(key.key)


class Actor:
    """One tenant: it reports with the ids that the other reports with."""

    def __init__(self, place: Place, token: str, machine: str, name: str) -> None:
        self.place = place
        self.token = token
        self.machine = machine
        self.name = name
        self.sequence = 0
        self.lines = 0

    async def act(self, step: Step) -> str:
        """Does a step, and tells what was answered: all but times, new ids and opaque tokens."""
        try:
            answer = str(await self._answer(step))
        except ServiceError as error:
            more = [f"{key}={value}" for key, value in sorted(error.metadata.items())]
            answer = f"{error.reason} {error.message} {more} {error.violations}"
        return comparable(answer)

    async def _answer(self, step: Step) -> Any:
        run_id = RUNS[step.number]
        updates = {
            "create": creation(run_id, kind=1, flow_id="nightly", display_name=self.name),
            "complete": transition(run_id),
            "rename": rename(run_id, f"{self.name} again"),
            "make": artifact(run_id, run_id, self.name),
        }
        if step.kind in updates:
            return await self._report(updates[step.kind])
        if step.kind == "write logs":
            return await self._log(run_id)
        method, fields = ASKING[step.kind]
        token = self.machine if step.kind == "use" else self.token
        return await self.place.first(token, method, **self._filled(fields, step.number))

    def _filled(self, value: Any, number: int) -> Any:
        if isinstance(value, dict):
            return {key: self._filled(item, number) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item, number) for item in value]
        if isinstance(value, bytes):
            return value.replace(b"NAME", self.name.encode())
        if value == "RUN":
            return f"{PARENT}/runs/{RUNS[number]}"
        if value == "ARTIFACT":
            return f"{PARENT}/artifacts/{RUNS[number]}"
        if value == "NAME":
            return self.name
        if not isinstance(value, str):
            return value
        return re.sub(r"-N\b", f"-{number}", value).replace(BACKFILL_ID, RUNS[number])

    async def _report(self, update: Any) -> Any:
        self.sequence += 1
        return await self.place.call(
            self.token,
            "IngestService/RecordUpdates",
            workspace=PARENT,
            producer_id=PRODUCER,
            batch=batch(self.sequence, update),
        )

    async def _log(self, run_id: str) -> Any:
        self.lines += 1
        line = {
            "sequence": self.lines,
            "run_id": run_id,
            "occur_time": {"seconds": 1_800_000_000},
            "body": self.name,
        }
        return await self.place.call(
            self.token,
            "LogService/WriteLogs",
            workspace=PARENT,
            producer_id=LOGS,
            records=[line],
        )


# Of new ids, and of what is opaque by its nature.
_OPAQUE: Final = re.compile(
    r"\b(consistency_token|resume_token|next_page_token|etag|uid|user_id|credential_id"
    r'|key_id|key|api_key|hash|head_hash|token_id|tenant|tenant_id): "[^"]*"'
)


def comparable(answer: str) -> str:
    """An answer without times, new ids and opaque tokens."""
    answer = re.sub(r"(seconds|nanos|record_time_us): \d+", "", answer)
    answer = re.sub(r"apiKeys/[0-9A-Za-z]{16}", "apiKeys/ID", _OPAQUE.sub("", answer))
    # Some lists are in the order of ids that are new each time.
    return "\n".join(sorted(answer.splitlines()))
