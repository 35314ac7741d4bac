"""Input of runs: what paused runs wait for, and what runs send to each other."""

from typing import TYPE_CHECKING

from towpath._deploy.receiving import InputReceiver
from towpath._deploy.run_input import (
    AutomaticRunInput,
    RunInput,
    RunInputMetadata,
    asend_input,
    receive_input,
    send_input,
)
from towpath._prefect_names.refusals import refusing

__all__ = [
    "AutomaticRunInput",
    "InputReceiver",
    "RunInput",
    "RunInputMetadata",
    "asend_input",
    "receive_input",
    "send_input",
]

if not TYPE_CHECKING:
    __getattr__ = refusing(__name__)
