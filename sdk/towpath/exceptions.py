"""Every error that Towpath raises.

    TowpathError
    ├── ConfigurationError        a setting is wrong
    ├── DefinitionError           a flow, task or schedule is declared wrongly
    ├── ParameterError            arguments don't fit a flow's signature
    ├── EventLoopError            async code runs under another library than asyncio
    ├── MissingContextError       called outside a flow or task run
    ├── NestingError              runs are nested too deeply
    ├── UnhashableInputError      an argument has no stable hash, so there is no cache key
    ├── ResultError               a result can't be stored, or read back
    ├── VariableError             a variable can't be kept, or exists already
    ├── ArtifactError             an artifact can't be kept
    ├── ConcurrencySlotAcquisitionError  slots of a limit can't be acquired
    ├── AcquireConcurrencySlotTimeoutError  none came free in time
    ├── FlowRunWaitTimeout        a run that was waited for hasn't ended in time
    ├── FlowPauseTimeout          a paused run was not resumed in time
    ├── NotPausedError            a run can't be paused, or doesn't wait to be resumed
    ├── NotRetryableError         a run can't be retried
    ├── ResultsExpired            results that a retry is to reuse are gone
    ├── RunError                  a run didn't complete
    │   ├── FailedRun             a run ended FAILED without an exception of its own
    │   │   └── FlowRunFailed     a flow ended FAILED by its tasks, not by an exception of its own
    │   ├── UnfinishedRun         a result was asked for before the run has ended
    │   ├── UpstreamFailed        a run was skipped, since one upstream of it did not complete
    │   ├── RunTimedOut           an attempt took longer than its timeout
    │   ├── RunCrashed            the process that ran it ended
    │   └── RunCancelled          it was stopped before its end
    └── RpcError                  a call to the service failed
        ├── ServerUnreachable     nothing answered, or not in time
        ├── NotATowpathServer     something else answered
        ├── NotFound
        ├── Conflict
        ├── NotSignedIn           unauthenticated or forbidden
        └── InvalidRequest

Errors say what to do, carry what they know as fields, and survive pickling. At the end stand other
names of some, which Prefect has for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath._prefect_names.refusals import refusing

__all__ = [
    "AcquireConcurrencySlotTimeoutError",
    "ArtifactError",
    "CancelledRun",
    "ConcurrencySlotAcquisitionError",
    "ConfigurationError",
    "Conflict",
    "CrashedRun",
    "DefinitionError",
    "EventLoopError",
    "FailedRun",
    "FlowPauseTimeout",
    "FlowRunFailed",
    "FlowRunWaitTimeout",
    "ImageError",
    "InvalidRequest",
    "MappingLengthMismatch",
    "MappingMissingIterable",
    "MissingContextError",
    "MissingResult",
    "NestingError",
    "NotATowpathServer",
    "NotFound",
    "NotPausedError",
    "NotRetryableError",
    "NotSignedIn",
    "ParameterBindError",
    "ParameterError",
    "ParameterTypeError",
    "ReservedArgumentError",
    "ResultError",
    "ResultsExpired",
    "RpcError",
    "RunCancelled",
    "RunCrashed",
    "RunError",
    "RunTimedOut",
    "ServerUnreachable",
    "SignatureMismatchError",
    "TowpathError",
    "UnfinishedRun",
    "UnhashableInputError",
    "UpstreamFailed",
    "UpstreamTaskError",
    "VariableError",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)


class TowpathError(Exception):
    """Base of all errors that Towpath raises."""


class ConfigurationError(TowpathError):
    """A setting is wrong; the message names it and a valid value."""


class DefinitionError(TowpathError, TypeError, ValueError):
    """A flow, task or schedule is declared wrongly."""


class ImageError(TowpathError):
    """The image of a deployment can't be built or pushed; the message says why."""


class ParameterError(TowpathError, TypeError):
    """Arguments don't fit a flow's or task's signature."""


class EventLoopError(TowpathError, RuntimeError):
    """An async flow or task is awaited under another library than asyncio, such as trio."""


class MissingContextError(TowpathError, RuntimeError):
    """A function that needs a run was called outside of one."""


class NestingError(TowpathError, RecursionError):
    """A run would be nested in more runs than the limit that the message names."""


class UnhashableInputError(TowpathError, TypeError):
    """An argument has no stable hash, so no cache key can be made of it."""


class ResultError(TowpathError):
    """A result can't be stored, or can't be read back."""


class VariableError(TowpathError, TypeError, ValueError):
    """A variable's name or value can't be kept, or the variable exists already."""


class ArtifactError(TowpathError, TypeError, ValueError):
    """An artifact's key or content can't be kept; the message says what to do."""


class ConcurrencySlotAcquisitionError(TowpathError):
    """Slots of a limit can't be acquired, or were lost while they were held."""


class AcquireConcurrencySlotTimeoutError(TowpathError, TimeoutError):
    """No slots of a limit came free within the time that the caller would wait."""


class FlowRunWaitTimeout(TowpathError, TimeoutError):
    """A run that was waited for hasn't ended in time."""


class FlowPauseTimeout(TowpathError, TimeoutError):
    """A paused run was not resumed before its deadline."""


class NotPausedError(TowpathError, RuntimeError):
    """A run can't be paused, or doesn't wait to be resumed: another may have resumed it."""


class NotRetryableError(TowpathError, RuntimeError):
    """A run can't be retried: it has not ended, has completed, or its code is gone."""


class ResultsExpired(TowpathError):
    """Stored results that a retry is to reuse are gone, or have expired."""


class RunError(TowpathError):
    """A run didn't complete."""


class FailedRun(RunError):
    """A run ended FAILED without an exception of its own."""


class UnfinishedRun(RunError):
    """A result was asked for before the run has ended."""


class FlowRunFailed(FailedRun):
    """A flow ended FAILED because of its tasks, not by an exception of its own."""


class UpstreamFailed(RunError):
    """A run was skipped, since one upstream of it did not complete."""


class RunTimedOut(RunError, TimeoutError):
    """An attempt took longer than its timeout."""


class RunCrashed(RunError):
    """The process that ran an attempt ended without saying how the attempt ended.

    Attributes:
        reason: PROCESS_DIED, OUT_OF_MEMORY or PROCESS_EXIT.
    """

    def __init__(self, message: str, *, reason: str = "PROCESS_DIED") -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self),), {"reason": self.reason}


class RunCancelled(RunError):
    """A run was stopped before its end.

    Attributes:
        reason: INTERRUPTED, or REQUESTED when its cancellation was requested.
    """

    def __init__(self, message: str, *, reason: str = "INTERRUPTED") -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self),), {"reason": self.reason}


class RpcError(TowpathError):
    """A call to the service failed.

    Attributes:
        code: gRPC status code by name, "NOT_FOUND".
        reason: Name of a value of the contract's ErrorReason; "" when the server gave none.
        metadata: Details of the reason, by name.
        retry_after_seconds: Seconds to wait before another try; None when the server gave none.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        reason: str = "",
        metadata: dict[str, str] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata = metadata or {}
        self.retry_after_seconds = retry_after_seconds

    @property
    def quota(self) -> str:
        """Name of the tenant's limit that was reached, "stored_bytes"; empty without one."""
        return self.metadata.get("quota", "")

    def __reduce__(self) -> tuple[object, ...]:
        state = {
            "code": self.code,
            "reason": self.reason,
            "metadata": self.metadata,
            "retry_after_seconds": self.retry_after_seconds,
        }
        return type(self), (str(self),), state


class ServerUnreachable(RpcError):
    """No server answered, or not in time."""


class NotATowpathServer(RpcError):
    """The address belongs to something other than a Towpath server."""


class NotFound(RpcError):
    """The requested object doesn't exist."""


class Conflict(RpcError):
    """The request doesn't fit the present state of the service's data."""


class NotSignedIn(RpcError):
    """The caller isn't authenticated, or may not make the call."""


class InvalidRequest(RpcError):
    """The request breaks a rule of the contract."""


CancelledRun = RunCancelled
CrashedRun = RunCrashed
MissingResult = ResultError
MappingLengthMismatch = ParameterError
MappingMissingIterable = ParameterError
ParameterBindError = ParameterError
ParameterTypeError = ParameterError
ReservedArgumentError = DefinitionError
SignatureMismatchError = ParameterError
UpstreamTaskError = UpstreamFailed
