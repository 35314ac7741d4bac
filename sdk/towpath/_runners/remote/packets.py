"""Calls, as they are sent to the workers of a cluster, and how they ended."""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
from dataclasses import astuple, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from towpath._runners.remote.messages import Ended

PREFIX: Final = "towpath-"
"""Of the keys of calls, and of the topics of their reports."""


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that the flow's process and a worker must have in common."""

    towpath: str
    python: str
    """Without the last number: functions of scripts are sent as bytecode."""
    cloudpickle: str

    def __str__(self) -> str:
        return f"towpath {self.towpath}, Python {self.python}, cloudpickle {self.cloudpickle}"


@functools.cache
def versions() -> Versions:
    """The versions of this process."""
    return Versions(
        towpath=metadata.version("towpath"),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        cloudpickle=metadata.version("cloudpickle"),
    )


@dataclass(frozen=True, slots=True)
class Packet:
    """A call, as it is sent: plain values, which every version of Python reads."""

    versions: tuple[str, str, str]
    topic: str
    """Of the flow run's reports."""
    key: str
    digest: bytes
    """Of the pickled task."""
    task: bytes | None
    """The pickled task; None where the worker may have had it."""
    work: bytes
    """Pickled (RunFacts, parameters)."""

    def packed(self) -> bytes:
        """One value, in which Dask doesn't look for futures and keys."""
        return pickle.dumps(astuple(self))


def packet(data: bytes) -> Packet:
    """Reads a call."""
    return Packet(*pickle.loads(data))  # noqa: S301 - workers run any code that they are sent


def digest(data: bytes) -> bytes:
    """Tells pickled tasks apart."""
    return hashlib.blake2b(data, digest_size=16).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a call ended on a worker."""

    ended: Ended | None
    """None when the worker needs the task to be sent."""
    reports: int
    """Number of reports that were sent before."""
