"""Inputs that are sent to runs; used by their store and by the work of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_INPUTS: Final = 10_000
"""Most inputs of a run."""
MOST_BYTES: Final = 262_144
"""Largest content of an input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInput:
    """An input that was sent to a run."""

    input_id: str
    key_prefix: str
    """What kind of input it is."""
    sender: str
    """Who sent it, in the sender's words; empty for nobody."""
    content: str
    """JSON."""
    position: int = 0
    """Place among the inputs of its run, from 1; 0 until it is stored."""
    created_us: int = 0

    def repeats(self, other: RunInput) -> bool:
        """Whether it says the same as another."""
        said = (self.input_id, self.key_prefix, self.sender, self.content)
        return said == (other.input_id, other.key_prefix, other.sender, other.content)
