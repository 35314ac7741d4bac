"""Every error that Towpath raises.

    TowpathError
    ├── ConfigurationError        a setting is wrong
    ├── DefinitionError           a flow or task is declared wrongly
    ├── ParameterError            arguments don't fit a flow's signature
    ├── MissingContextError       called outside a flow or task run
    ├── ResultError               a result can't be stored or read back
    │   └── UnhashableInputError  an argument can't be part of a cache key
    ├── RunError                  a run didn't complete
    │   ├── FlowRunFailed         a flow ended FAILED by its tasks, not by an exception of its own
    │   ├── UpstreamFailed        a run was skipped, since one upstream of it did not complete
    │   ├── RunTimedOut           an attempt took longer than its timeout
    │   ├── RunCancelled          somebody asked for it to end
    │   └── RunCrashed            its process was lost
    ├── OutboxError               the outbox can't be used
    └── RpcError                  a call to the service failed
        ├── ServerUnreachable     nothing answered, or not in time
        ├── NotATowpathServer     something else answered
        ├── NotFound
        ├── Conflict
        ├── NotSignedIn           unauthenticated or forbidden
        └── InvalidRequest

Errors say what to do, carry what they know as fields, and survive pickling.
"""

from __future__ import annotations


class TowpathError(Exception):
    """Base of all errors that Towpath raises."""
