"""Loads hourly air quality of several stations into SQLite, past broken rows and a broken station.

The file is in the format of OpenAQ's archive. It comes from --url, or else from a small server of
its own that serves data/air_quality.csv and fails the first request; when neither answers, the file
is read from disk. A broken row is set aside with its line and what is wrong with it; a station that
can't be summed up is left out; everything else is loaded.

    python examples/air_quality.py [--url URL] [--database PATH]
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

import httpx2
import polars as pl
from air_quality_store import Database, Loaded
from stand_in import stand_in
from towpath import allow_failure, flow, get_run_logger, task, unmapped
from towpath.settings import get_settings

SHIPPED = Path(__file__).parent / "data" / "air_quality.csv"
COLUMNS = ["location_id", "location", "datetime", "lat", "lon", "parameter", "units", "value"]
UNIT = "µg/m³"


@task(retries=3, retry_delay_seconds=[0.1, 0.5, 2], retry_jitter_factor=0.2)
def fetch(url: str) -> bytes:
    """Downloads the file; the archive's are gzipped."""
    answer = httpx2.get(url, timeout=5)
    answer.raise_for_status()
    body = answer.content
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


@task
def read_shipped() -> bytes:
    """Reads the file that comes with the examples."""
    return SHIPPED.read_bytes()


@task
def parse(file: bytes) -> pl.DataFrame:
    """Reads every row as text, with its line in the file.

    Raises:
        ValueError: Columns are missing: this is another format.
    """
    rows = pl.read_csv(
        file,
        infer_schema=False,
        truncate_ragged_lines=True,
        row_index_name="line",
        row_index_offset=2,
    )
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise ValueError(f"the file has no column {', '.join(missing)}")
    return rows


@task
def validate(rows: pl.DataFrame) -> pl.DataFrame:
    """Converts the columns and adds `problem`: what is wrong with a row, null when nothing is."""
    typed = rows.with_columns(
        pl.col("location_id").cast(pl.Int64, strict=False),
        pl.col("datetime").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", strict=False).alias("time"),
        pl.col("datetime").str.slice(0, 10).alias("day"),
        pl.col("lat", "lon", "value").cast(pl.Float64, strict=False),
    )
    problem = (
        pl.when(pl.col("location_id").is_null())
        .then(pl.lit("no station"))
        .when(pl.col("time").is_null())
        .then(pl.lit("no time"))
        .when(~(pl.col("lat").is_between(-90, 90) & pl.col("lon").is_between(-180, 180)))
        .then(pl.lit("not on this planet"))
        .when(pl.any_horizontal(pl.col("parameter", "units", "value").is_null()))
        .then(pl.lit("no value"))
        .when(pl.col("value") < 0)
        .then(pl.lit("a value below zero"))
        .when(~pl.struct("location_id", "parameter", "time").is_first_distinct())
        .then(pl.lit("sent twice"))
    )
    checked = typed.with_columns(problem.alias("problem"))
    broken = checked["problem"].count()
    if broken:
        get_run_logger().warning("%d of %d rows are broken", broken, len(checked))
    return checked


@task(task_run_name="sum_up {station}")
def sum_up(station: str, checked: pl.DataFrame) -> pl.DataFrame:
    """Sums up the sound rows of one station by parameter and day.

    Raises:
        ValueError: The station reports in a unit that can't be compared with the others'.
    """
    own = checked.filter(pl.col("problem").is_null(), pl.col("location") == station)
    strange = own.filter(pl.col("units") != UNIT)
    if len(strange):
        parameter, units = strange.row(0, named=True)["parameter"], strange["units"][0]
        raise ValueError(f"{station} reports {parameter} in {units}, not in {UNIT}")
    return (
        own.group_by("location", "parameter", "day")
        .agg(
            pl.len().alias("hours"),
            pl.col("value").mean().round(1).alias("mean"),
            pl.col("value").max().alias("highest"),
        )
        .sort("parameter", "day")
    )


@task(retries=2, retry_delay_seconds=0.5)
def load(
    path: Path, checked: pl.DataFrame, summaries: list[pl.DataFrame | BaseException]
) -> Loaded:
    """Replaces what the database holds, in one transaction."""
    sound = [item for item in summaries if isinstance(item, pl.DataFrame)]
    broken = checked.filter(pl.col("problem").is_not_null())
    with Database(path) as database:
        return database.replace(
            days=[row for summary in sound for row in summary.rows()],
            rejected=broken.select("line", "problem").rows(),
            left_out=[str(item) for item in summaries if isinstance(item, BaseException)],
        )


@flow
def air_quality(url: str, database: Path) -> Loaded:
    """Fetches, checks, sums up each station by itself, and loads what is sound."""
    fetched = fetch(url, return_state=True)
    file = fetched.result() if fetched.is_completed() else read_shipped()
    checked = validate(parse(file))
    stations = checked["location"].drop_nulls().unique().sort().to_list()
    summaries = sum_up.map(stations, unmapped(checked))
    return load.submit(database, checked, allow_failure(summaries)).result()


def main() -> None:
    """Runs the flow and prints what was loaded."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", help="a file in OpenAQ's format; gzipped or not")
    parser.add_argument(
        "--database", type=Path, default=get_settings().home / "examples" / "air_quality.db"
    )
    options = parser.parse_args()
    with stand_in(lambda _: SHIPPED.read_bytes()) as base:
        loaded = air_quality(options.url or f"{base}/air_quality.csv", options.database)
    print(loaded)
    print(f"in {options.database}")


if __name__ == "__main__":
    main()
