"""How many examples hypothesis tries, by profile, and how long tests wait for an event.

`ci` is what every run tries; `dev` is for quick rounds at a desk, `thorough` for a night:

    TOWPATH_TEST_PROFILE=thorough poe test delivery

No profile has a deadline for one example, or for making them: a loaded machine would fail it.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, settings

VARIABLE: Final = "TOWPATH_TEST_PROFILE"
PLANTED: Final = "TOWPATH_PLANTED"
"""Set where tests run against a bug: any failure will do there, the least example isn't sought."""
PLANTED_PATIENCE_SECONDS: Final = 15.0
BY_DEFAULT: Final = 100
_FACTORS: Final = {"dev": 0.2, "ci": 1.0, "thorough": 10.0}
_PROFILE: Final = os.environ.get(VARIABLE, "ci")


def examples(number: int) -> int:
    """A number of examples in the profile of this run.

    Args:
        number: Of the profile `ci`.
    """
    return max(1, round(number * _FACTORS[_PROFILE]))


def patience(seconds: float) -> float:
    """How long a test waits for an event before it fails, in seconds.

    Against a planted bug the event may never come.

    Args:
        seconds: How long it waits otherwise.
    """
    return min(seconds, PLANTED_PATIENCE_SECONDS) if PLANTED in os.environ else seconds


def load_profile() -> None:
    """Has tests that give no number of their own follow the profile, too."""
    for name, factor in _FACTORS.items():
        settings.register_profile(
            name,
            max_examples=round(BY_DEFAULT * factor),
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        )
    settings.load_profile(_PROFILE)
    if PLANTED in os.environ:
        searching = (Phase.explicit, Phase.generate)
        settings.register_profile("planted", settings(), phases=searching, database=None)
        settings.load_profile("planted")
