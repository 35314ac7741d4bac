"""Input of runs: what paused runs wait for, and what runs send to each other."""

from towpath._deploy.receiving import InputReceiver
from towpath._deploy.run_input import (
    AutomaticRunInput,
    RunInput,
    RunInputMetadata,
    asend_input,
    receive_input,
    send_input,
)

__all__ = [
    "AutomaticRunInput",
    "InputReceiver",
    "RunInput",
    "RunInputMetadata",
    "asend_input",
    "receive_input",
    "send_input",
]
