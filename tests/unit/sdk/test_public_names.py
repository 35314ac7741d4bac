"""The public names: users' code stands on them, so that losing one is a decision."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

import pytest
import towpath

NAMES = {
    "towpath": (
        "Flow Secret Sensitive State Task allow_failure aserve deploy flow get_run_logger"
        " pause_flow_run quote resume_flow_run serve suspend_flow_run tags task unmapped"
    ),
    "towpath.annotations": "Sensitive allow_failure freeze opaque quote unmapped",
    "towpath.cache_policies": (
        "CacheKeyFnPolicy CachePolicy CompoundCachePolicy DEFAULT FLOW_PARAMETERS INPUTS NO_CACHE"
        " RUN_ID TASK_SOURCE FlowParameters Inputs NoCache RunId TaskSource"
    ),
    "towpath.cli": "main",
    "towpath.client": (
        "ApiKey ArchiveCode Artifact Artifacts Audit AuditEntry AuditPage Backfill Backfills Caller"
        " Cancellation ClaimRule Client CodeSource Decision DeploymentInfo DeploymentSpec"
        " Deployments"
        " DeviceSignIn Explanation Failure FlowSummary GitCode GraphNode Keys Limit LimitHolder"
        " Limits LocalCode LogLine Login NewApiKey NewTenant NewUser PackageCode Pause"
        " Pools Queues Reason Role RoleBinding Roles Run RunEvent ScheduleInfo"
        " ScheduleSlot Schedules SecretInfo Secrets SentInput ServerInfo ServiceAccount"
        " ServiceAccounts"
        " SignInOptions SignIns Step Tenant TenantLimits TenantUsage Tenants Transition Trust"
        " Trusts Usage User UserTrust Users VariableInfo Variables WaitingSignIn WorkPool WorkQueue"
        " Worker Workers Workspace WorkspaceGrant Workspaces connect"
    ),
    "towpath.concurrency": (
        "AcquireConcurrencySlotTimeoutError ConcurrencySlotAcquisitionError Slots concurrency"
        " rate_limit"
    ),
    "towpath.concurrency.asyncio": (
        "AcquireConcurrencySlotTimeoutError ConcurrencySlotAcquisitionError Slots concurrency"
        " rate_limit"
    ),
    "towpath.concurrency.sync": (
        "AcquireConcurrencySlotTimeoutError ConcurrencySlotAcquisitionError Slots concurrency"
        " rate_limit"
    ),
    "towpath.context": "FlowRunContext RunContext TaskRunContext get_run_context tags",
    "towpath.dask": "DaskTaskRunner",
    "towpath.deployments": (
        "ArchiveCode DeploymentOptions DockerImage GitCode LocalCode PackageCode RunnerDeployment"
        " arun_deployment aserve deploy run_deployment serve"
    ),
    "towpath.exceptions": (
        "AcquireConcurrencySlotTimeoutError ConcurrencySlotAcquisitionError"
        " ArtifactError CancelledRun CrashedRun FailedRun MappingLengthMismatch"
        " MappingMissingIterable MissingResult ParameterBindError ParameterTypeError"
        " ReservedArgumentError"
        " SignatureMismatchError UnfinishedRun UpstreamTaskError"
        " ConfigurationError Conflict DefinitionError EventLoopError FlowPauseTimeout FlowRunFailed"
        " FlowRunWaitTimeout ImageError InvalidRequest MissingContextError NestingError"
        " NotATowpathServer"
        " NotFound NotPausedError NotRetryableError NotSignedIn ParameterError ResultError"
        " ResultsExpired RpcError RunCancelled RunCrashed RunError RunTimedOut ServerUnreachable"
        " TowpathError UnhashableInputError UpstreamFailed VariableError"
    ),
    "towpath.extensions.exporting": (
        "END_SECONDS Ending end_within endpoint hush_exporters provider_from_environment"
        " resource_of speaks_grpc tell_by warn_once"
    ),
    "towpath.extensions.job_templates": "KUBERNETES PROCESS",
    "towpath.extensions.outboxes": "DeliveryReport deliver_waiting",
    "towpath.extensions.progress": "Progress",
    "towpath.extensions.redaction": "REDACTED scrubbed",
    "towpath.extensions.spans": "FinishedSpan emit",
    "towpath.extensions.tracing": (
        "Carrier RootPlace attempt_span_id current_tracer guarded names root_span_id trace_id_of"
    ),
    "towpath.extensions.transports": "Transport announce_server to_rpc_error",
    "towpath.filesystems": "LocalFileSystem WritableFileSystem",
    "towpath.flow_runs": (
        "apause_flow_run aresume_flow_run asuspend_flow_run pause_flow_run resume_flow_run"
        " suspend_flow_run wait_for_flow_run"
    ),
    "towpath.flows": "Flow flow load_flow_from_entrypoint",
    "towpath.futures": (
        "DoneAndNotDoneFutures Future FutureList PrefectFuture PrefectFutureList as_completed wait"
    ),
    "towpath.input": (
        "AutomaticRunInput InputReceiver RunInput RunInputMetadata asend_input receive_input"
        " send_input"
    ),
    "towpath.locking": "LockManager",
    "towpath.locking.filesystem": "FileSystemLockManager",
    "towpath.locking.memory": "MemoryLockManager",
    "towpath.locking.protocol": "LockManager",
    "towpath.logging": "disable_run_logger get_logger get_run_logger",
    "towpath.results": "ResultRecord ResultRecordMetadata ResultStore get_result_store",
    "towpath.runtime": "deadline_headers deployment flow_run remaining task_run",
    "towpath.runtime.deployment": "flow_run_id id name parameters version",
    "towpath.runtime.flow_run": (
        "api_url ui_url"
        " flow_name flow_version id name parameters parent_flow_run_id root_flow_run_id run_count"
        " scheduled_start_time tags"
    ),
    "towpath.runtime.task_run": "api_url id name parameters run_count tags task_name ui_url",
    "towpath.schedules": "Cron Interval RRule Schedule",
    "towpath.serializers": (
        "CompressedJSONSerializer CompressedPickleSerializer CompressedSerializer JSONSerializer"
        " PickleSerializer Serializer"
    ),
    "towpath.settings": "Settings get_settings",
    "towpath.states": (
        "AwaitingRetry Cancelled Cancelling Completed Crashed Failed Paused Pending Retrying"
        " Running Scheduled State StateDetails StateType get_state_exception is_state"
        " is_state_iterable raise_state_exception"
    ),
    "towpath.task_runners": (
        "InlineTaskRunner ProcessPoolTaskRunner TaskRunner ThreadPoolTaskRunner"
    ),
    "towpath.tasks": "Task exponential_backoff task task_input_hash",
    "towpath.telemetry": "current_carrier environment with_carrier",
    "towpath.artifacts": (
        "acreate_image_artifact acreate_link_artifact acreate_markdown_artifact"
        " acreate_progress_artifact acreate_table_artifact aupdate_progress_artifact"
        " create_image_artifact create_link_artifact create_markdown_artifact"
        " create_progress_artifact create_table_artifact update_progress_artifact"
    ),
    "towpath.transactions": (
        "AsyncTransaction BaseTransaction CommitMode IsolationLevel Transaction TransactionState"
        " atransaction get_transaction transaction"
    ),
    "towpath.variables": "Variable",
    "towpath.testing": "Artifact Harness LogLine Run VirtualClock harness",
}
NOT_FOR_IMPORT = {
    "towpath.extensions": "its modules are imported, each for itself",
    "towpath.testing.pytest_plugin": "pytest loads it",
}
NOT_PUBLIC = ("towpath.api", "towpath.cli.")
"""What is generated from the contract, and the modules of the commands below `towpath.cli`."""


@pytest.mark.parametrize("module", NAMES)
def test_public_names_are_there_and_no_others(module: str) -> None:
    imported = import_module(module)
    assert sorted(imported.__all__) == sorted(NAMES[module].split())
    missing = [name for name in imported.__all__ if not hasattr(imported, name)]
    assert not missing


def test_every_public_module_is_listed() -> None:
    modules = {found.name for found in walk_packages(towpath.__path__, "towpath.")}
    public = {name for name in modules if "._" not in name and not name.startswith(NOT_PUBLIC)}
    assert {"towpath", *public} == NAMES.keys() | NOT_FOR_IMPORT.keys()


def test_a_name_is_the_same_object_wherever_it_is_public() -> None:
    homes = {"towpath.flows", "towpath.tasks", "towpath.annotations", "towpath.states"}
    for home in map(import_module, sorted(homes | {"towpath.context", "towpath.logging"})):
        for name in set(home.__all__) & set(towpath.__all__):
            assert getattr(towpath, name) is getattr(home, name)


def test_every_error_is_one_of_towpaths() -> None:
    exceptions = import_module("towpath.exceptions")
    raised = [getattr(exceptions, name) for name in exceptions.__all__]
    assert all(issubclass(error, exceptions.TowpathError) for error in raised)
    declared = {name for name, value in vars(exceptions).items() if isinstance(value, type)}
    assert declared == set(exceptions.__all__)
