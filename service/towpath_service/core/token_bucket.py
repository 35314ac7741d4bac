"""Token buckets, which limit a rate with bursts; used by the limits of tenants and addresses.

A caller that finds units in the bucket takes all that it needs, and may leave the bucket in debt. A
caller that finds it empty or in debt waits until the debt is paid. So a batch larger than the burst
still passes, and the rate holds in the long run: over any time t, at most rate * t + burst + the
largest single take.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """A token bucket with a rate and a burst."""

    rate: float
    """Units a second."""
    burst: float
    """Most units that the bucket can hold."""
    level: float
    """Units in the bucket; negative for a debt."""
    at: float
    """The time of that level: seconds of the caller's clock."""

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> Bucket:
        """A full bucket."""
        return cls(rate, burst, burst, now)

    def wait(self, now: float) -> float:
        """Seconds until something may be taken; 0 for at once."""
        self._fill(now)
        return max(0.0, -self.level / self.rate)

    def take(self, units: float, now: float) -> float:
        """Takes units, into debt if necessary; returns the seconds that the next caller waits."""
        self._fill(now)
        self.level -= units
        return max(0.0, -self.level / self.rate)

    def set_rate(self, rate: float, burst: float) -> None:
        """Changes the rate and the burst."""
        self.rate, self.burst = rate, burst
        self.level = min(self.level, burst)

    def is_full(self, now: float) -> bool:
        """Whether the bucket is full, so that it can be forgotten."""
        self._fill(now)
        return self.level >= self.burst

    def _fill(self, now: float) -> None:
        # A clock that goes back must not add units twice.
        if now > self.at:
            self.level = min(self.burst, self.level + (now - self.at) * self.rate)
            self.at = now
