"""What the turns of both sides come to: medians, ratios, verdicts."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.benchmarks.compared.turns import Timed, Turn

RATE_TARGET: Final = 30.0
"""Towpath's rate is to be at least so many times Prefect's."""
LAG_TARGET: Final = 10.0
"""Prefect's lag is to be at least so many times Towpath's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Medians:
    """What the turns of one side showed, in the middle."""

    import_seconds: float
    idle_megabytes: float
    rates: dict[tuple[str, int], float]
    """Tasks a second by pipeline and number of tasks."""
    lags: dict[tuple[str, int], float]
    """Seconds by pipeline and number of tasks."""


def medians(turns: Sequence[Turn]) -> Medians:
    """The medians over the turns of a side."""
    timed: dict[tuple[str, int], list[Timed]] = {}
    for turn in turns:
        for one in turn.timed:
            timed.setdefault((one.pipeline, one.tasks), []).append(one)
    return Medians(
        import_seconds=statistics.median(turn.import_seconds for turn in turns),
        idle_megabytes=statistics.median(turn.idle_megabytes for turn in turns),
        rates={key: statistics.median(one.rate for one in all_) for key, all_ in timed.items()},
        lags={key: statistics.median(one.lag for one in all_) for key, all_ in timed.items()},
    )


def comparison(towpath: Medians, prefect: Medians) -> Iterator[str]:
    """Lines that put both sides beside each other; sizes of one side only have no ratio."""
    yield f"{'medians':25} {'Towpath':>14} {'Prefect':>14} {'ratio':>7}"
    for key, rate in towpath.rates.items():
        pipeline, tasks = key
        ratio = rate / prefect.rates[key] if key in prefect.rates else None
        name = f"{pipeline}, {tasks:,} tasks"
        yield _line(name, (rate, prefect.rates.get(key)), ",.0f", "tasks/s", ratio, RATE_TARGET)
        lag = towpath.lags[key]
        ratio = prefect.lags[key] / lag if key in prefect.lags else None
        yield _line("  lag", (lag, prefect.lags.get(key)), ".2f", "s", ratio, LAG_TARGET)
    imports = (towpath.import_seconds, prefect.import_seconds)
    yield _line("import", imports, ".2f", "s", imports[1] / imports[0])
    idle = (towpath.idle_megabytes, prefect.idle_megabytes)
    yield _line("idle server", idle, ".0f", "MB", idle[1] / idle[0])


def _line(
    name: str,
    figures: tuple[float, float | None],
    form: str,
    unit: str,
    ratio: float | None,
    target: float | None = None,
) -> str:
    shown = " ".join(
        f"{'-' if figure is None else f'{figure:{form}} {unit}':>14}" for figure in figures
    )
    if ratio is None:
        return f"{name:25} {shown}"
    verdict = "" if target is None else "  met" if ratio >= target else f"  below {target:.0f}"
    return f"{name:25} {shown} {ratio:6.1f}x{verdict}"
