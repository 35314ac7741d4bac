"""Token buckets: how much of something there may be in a second, and how soon there may be more.

Whoever finds a bucket with something in it takes all that they need, and may leave it in debt; who
finds it empty or in debt waits until that is paid. So a batch larger than a burst still gets
through, and the rate holds in the long run: over any time t, no more than rate * t + burst + the
largest single taking.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """So much a second, and so much at once."""

    rate: float
    """Units a second."""
    burst: float
    """Most units that gather."""
    level: float
    """What is in it; below 0, what is owed."""
    at: float
    """When that was, seconds of some clock."""

    @classmethod
    def full(cls, rate: float, burst: float, now: float) -> Bucket:
        """A bucket that nobody has taken from."""
        return cls(rate, burst, burst, now)

    def wait(self, now: float) -> float:
        """Seconds until something may be taken; 0 for at once."""
        self._fill(now)
        return max(0.0, -self.level / self.rate)

    def take(self, units: float, now: float) -> float:
        """Takes units, into debt if need be; tells how long whoever comes next has to wait."""
        self._fill(now)
        self.level -= units
        return max(0.0, -self.level / self.rate)

    def set_rate(self, rate: float, burst: float) -> None:
        """Goes on with another rate."""
        self.rate, self.burst = rate, burst
        self.level = min(self.level, burst)

    def is_full(self, now: float) -> bool:
        """Whether forgetting the bucket makes no difference."""
        self._fill(now)
        return self.level >= self.burst

    def _fill(self, now: float) -> None:
        # A clock that goes back gives nothing twice.
        if now > self.at:
            self.level = min(self.burst, self.level + (now - self.at) * self.rate)
            self.at = now
