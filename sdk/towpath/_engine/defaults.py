"""What settings say where the options of a flow or task say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towpath._engine.policy import Policy
    from towpath._runs.context import RunContext
    from towpath._settings.declared import Settings


def policy_of(run: RunContext) -> Policy:
    """The options for attempts of a run, with the defaults that settings give."""
    policy: Policy = run.owner.policy
    settings = run.settings
    if settings is None or (policy.retries is not None and policy.delays is not None):
        return policy
    if run.kind == "flow":
        retries, delay = settings.flow_retries, settings.flow_retry_delay_seconds
    else:
        retries, delay = settings.task_retries, settings.task_retry_delay_seconds
    return policy.settled(retries, delay) if retries or delay else policy


def default_persistence(parent: RunContext | None, settings: Settings) -> bool:
    """Whether results are kept of a run that doesn't say so itself."""
    return settings.results_persist if parent is None else parent.persist_result
