"""Runs of flows: waiting for them, pausing and resuming them."""

from typing import TYPE_CHECKING

from towpath._deploy.pausing import (
    apause_flow_run,
    aresume_flow_run,
    asuspend_flow_run,
    pause_flow_run,
    resume_flow_run,
    suspend_flow_run,
)
from towpath._deploy.running import wait_for_flow_run
from towpath._prefect_names.refusals import refusing

__all__ = [
    "apause_flow_run",
    "aresume_flow_run",
    "asuspend_flow_run",
    "pause_flow_run",
    "resume_flow_run",
    "suspend_flow_run",
    "wait_for_flow_run",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
