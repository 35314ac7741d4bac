"""Limits and the acquisitions of their slots, as they are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from towpath_service.limits.domain.names import LimitKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towpath_service.limits.domain.names import AcquisitionKey

MOST_LIMITS: Final = 10_000
"""Most limits of a tenant, without those made from templates."""
MOST_OF_TEMPLATES: Final = 100_000
"""Most limits of a tenant that are made from templates."""
NANO: Final = 1_000_000_000
PLACE_US: Final = 10_000_000
"""How long the place of an acquisition is kept between two of its calls."""
DEFAULT_HOLD_US: Final = 60_000_000
DEFAULT_PRIORITY: Final = 50
PRIORITY_US: Final = 30_000_000
"""Waiting time that one step of priority is worth: ten steps are five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """The part of a limit that its author gives."""

    slots: int
    refill_nano: int = 0
    """Slots that come free by themselves in 1e9 seconds; above 0 this limits a rate."""
    disabled: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit."""

    key: LimitKey
    settings: LimitSettings
    template: str = ""
    """Id of the template that it was made from; empty for none."""
    fence: int = 0
    """Number of the last acquisition."""
    tat_us: int = 0
    """Theoretical arrival time of a limit on the rate; see `rates`."""
    revision: int = 1
    created_us: int
    updated_us: int

    @property
    def is_rate(self) -> bool:
        """Whether it limits a rate."""
        return self.settings.refill_nano > 0

    @property
    def etag(self) -> str:
        """Changes with every change of its settings."""
        return f"{self.created_us}.{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUse:
    """The use of a limit at a moment."""

    held: int = 0
    """Slots held."""
    waiting: int = 0
    """Acquisitions that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """The slots of one limit that an acquisition holds or waits for."""

    acquisition: AcquisitionKey
    limit_id: str
    slots: int
    waiting: bool
    parts: int
    """Number of limits of the acquisition."""
    priority: int
    rank_us: int
    """Place among those that wait, the smallest first; see `rank_of`."""
    asked_us: int
    """When the acquisition began."""
    since_us: int
    """When the slots were taken; while waiting, `asked_us`."""
    expires_us: int
    hold_us: int
    """How long the slots last without renewal."""
    fence: int = 0
    run_id: str | None = None
    holder: str = ""

    @property
    def limit(self) -> LimitKey:
        """The limit."""
        return limit_key(self.acquisition, self.limit_id)


def limit_key(acquisition: AcquisitionKey, limit_id: str) -> LimitKey:
    """The limit of an id in the workspace of an acquisition."""
    return LimitKey(acquisition.tenant_id, acquisition.workspace_id, limit_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for slots of limits, all or none."""

    acquisition: AcquisitionKey
    needs: Mapping[str, int]
    """Slots by id of the limit."""
    run_id: str | None = None
    holder: str = ""
    wait_us: int = 0
    ignore_missing: bool = False
    hold_us: int = DEFAULT_HOLD_US
    priority: int = DEFAULT_PRIORITY

    @property
    def limits(self) -> tuple[LimitKey, ...]:
        """The limits asked for."""
        return tuple(limit_key(self.acquisition, limit_id) for limit_id in self.needs)


def rank_of(priority: int, asked_us: int) -> int:
    """The place of an acquisition among those that wait: its arrival, earlier by its priority.

    Everything that arrives late enough ranks behind it, so nothing waits without end.
    """
    return asked_us - priority * PRIORITY_US
