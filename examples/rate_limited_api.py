"""A pipeline that calls an API no faster than it permits, however many runs there are.

towpath limit set weather-api 20 --per 1s --burst 2
python examples/rate_limited_api.py
"""

from __future__ import annotations

import time

from towpath import flow, task
from towpath.client import connect
from towpath.concurrency import concurrency, rate_limit
from towpath.settings import get_settings

CITIES = ["Oslo", "Lima", "Cairo", "Quito", "Perth", "Seoul"]


@task(retries=2)
def fetch(city: str) -> int:
    """Fetches the temperature of a city; a stand-in for a request."""
    rate_limit("weather-api")
    return len(city)


@task
def store(readings: list[int]) -> int:
    """Stores readings, by one connection at a time."""
    with concurrency("weather-db", timeout_seconds=60):
        return len(readings)


@flow(log_prints=True)
def weather() -> int:
    """Fetches the weather of all cities, and stores it."""
    begun = time.monotonic()
    readings = [future.result() for future in fetch.map(CITIES)]
    stored = store(readings)
    print(f"{stored} cities in {time.monotonic() - begun:.1f} s")
    return stored


if __name__ == "__main__":
    with connect(get_settings()) as client:  # As `towpath limit set` does.
        client.limits.set("weather-api", 2, refill_per_second=20)
        client.limits.set("weather-db", 1)
    weather()
