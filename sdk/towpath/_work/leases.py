"""A run that a worker is to execute, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from towpath._work.code_sources import CodeSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OnLostContact = Literal["continue", "stop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A run that a worker is to execute, as the service granted it.

    Attributes:
        lease_id: The lease; letters, digits, "-" and "_", at most 128.
        run_id: The run.
        attempt: Its attempt, from 1.
        fence: Fence of the lease, from 1.
        entrypoint: The flow: "path/file.py:flow" or "package.module:flow".
        parent_run_id: Run that it is a child of; empty for none.
        from_tasks: Tasks that are to run again even if their results are kept.
        from_attempt: The first attempt that was to run them again.
        root_run_id: Outermost run around it; empty when it is itself.
        code: Where its code is from.
        parameters: Its arguments, as JSON values.
        template: Values of the kind's template: the pool's, with those of deployment and run.
        environments: Variables of the pool, of the deployment and of the run, the strongest last.
        timeout_seconds: Longest time that the process may take; None for no limit.
        grace_seconds: Time after the timeout in which the run may end by itself.
        on_lost_contact: Whether the run goes on without contact to the service.
        lease_seconds: Duration of the lease: the longest time without contact, for "stop".
        token: The run's token; empty without identity.
        traceparent: Header of the span that it belongs to; empty for none.
        due: When it was due, seconds since the Unix epoch; 0 if the service didn't say.
    """

    lease_id: str
    run_id: str
    attempt: int
    fence: int
    entrypoint: str
    parent_run_id: str = ""
    root_run_id: str = ""
    from_tasks: tuple[str, ...] = ()
    from_attempt: int = 0
    code: CodeSource = field(default_factory=CodeSource)
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    template: Mapping[str, Any] = field(default_factory=dict[str, Any])
    environments: Sequence[Mapping[str, str]] = ()
    timeout_seconds: float | None = None
    grace_seconds: float = 30.0
    on_lost_contact: OnLostContact = "continue"
    lease_seconds: float = 30.0
    token: str = field(default="", repr=False)
    traceparent: str = ""
    due: float = 0.0
