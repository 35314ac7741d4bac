"""A pipeline that serves itself: it reports by a schedule, and whenever it is asked to.

python examples/scheduled_report.py

towpath deployment run report/hourly --param city=Lima --watch
"""

from __future__ import annotations

from towpath import flow, task
from towpath.schedules import Interval

READINGS = {"Oslo": [3.1, 2.8, 2.2], "Lima": [21.5, 22.0, 22.6]}


@task(retries=2)
def read(city: str) -> list[float]:
    """Reads the temperatures of a city."""
    return READINGS[city]


@task
def mean(values: list[float]) -> float:
    """Averages the temperatures."""
    return round(sum(values) / len(values), 2)


@flow(log_prints=True)
def report(city: str = "Oslo") -> float:
    """Reports the mean temperature of a city.

    Args:
        city: The city, Oslo or Lima.
    """
    average = mean(read(city))
    print(f"{city}: {average} °C")
    return average


if __name__ == "__main__":
    report.serve("hourly", schedules=[Interval(3600, overlap="skip")], limit=2)
