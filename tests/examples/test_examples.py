from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tests.examples.places import serving
from tests.scenarios.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.examples.places import Place

STATIONS = ("Hilltop-9104", "Millbrook-9101", "Orchard Row-9102", "Ring Road-9103")
DAYS = len(STATIONS) * 2 * 2


def rows(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_the_stars_are_counted_although_every_first_request_fails(place: Place) -> None:
    result = place.example("github_stars.py", "--offline")
    assert (result.returncode, result.stderr) == (0, "")
    assert "python/cpython" in result.stdout
    assert place.tasks() == {("fetch_stars", "COMPLETED", 2): 3}
    assert (place.flow_run()["name"], place.flow_run()["state"]) == ("github_stars", "COMPLETED")


def test_a_broken_part_costs_only_what_needs_it(place: Place) -> None:
    result = place.example("fan_out.py")
    assert result.returncode == 1
    assert result.stdout == "9 of 10 parts are clean\n"
    assert "load[3] failed (ValueError: part 3 is not readable)" in result.stderr
    assert "fan_out.py:22 in load: raise ValueError" in result.stderr
    assert "not run: clean[3], combine" in result.stderr
    assert "Traceback" not in result.stderr
    assert place.tasks() == {
        ("load", "COMPLETED", 1): 9,
        ("load", "FAILED", 1): 1,
        ("clean", "COMPLETED", 1): 9,
        ("clean", "SKIPPED", 1): 1,
        ("combine", "SKIPPED", 1): 1,
        ("tally", "COMPLETED", 1): 1,
    }
    assert place.flow_run()["state"] == "FAILED"


def test_a_model_is_trained_on_a_dask_cluster(place: Place) -> None:
    result = place.example("train_on_dask.py", "--steps", "20")
    assert result.returncode == 0, result.stderr
    # Made with slope 3 and offset -1, and noise.
    assert result.stdout.splitlines()[-1] == "slope 3.00, offset -1.00"
    assert place.tasks() == {("gradient", "COMPLETED", 1): 80}


def test_an_api_is_called_no_faster_than_its_limit(place: Place) -> None:
    result = place.example("rate_limited_api.py")
    assert (result.returncode, result.stderr.count("Traceback")) == (0, 0)
    # Two at once, then one each 50 ms.
    seconds = float(result.stdout.split(" cities in ")[1].split(" ")[0])
    assert result.stdout.startswith("6 cities in ")
    assert seconds >= 0.2
    assert place.tasks() == {("fetch", "COMPLETED", 1): 6, ("store", "COMPLETED", 1): 1}


def test_sound_rows_of_sound_stations_are_loaded(place: Place) -> None:
    result = place.example("air_quality.py")
    assert (result.returncode, result.stderr.count("Traceback")) == (0, 0)
    assert result.stdout.count("2026-03-0") == DAYS
    assert result.stdout.count("rejected: line ") == 8
    assert "rejected: line 16: no value" in result.stdout
    assert "left out: Quayside-9105 reports pm25 in ppm, not in µg/m³" in result.stdout
    database = place.home / "examples" / "air_quality.db"
    assert rows(database, "SELECT DISTINCT station FROM days ORDER BY 1") == [
        (s,) for s in STATIONS
    ]
    assert rows(database, "SELECT count(*), sum(hours) FROM days") == [(DAYS, 4 * 2 * 48 - 7)]
    assert place.tasks() == {
        ("fetch", "COMPLETED", 2): 1,
        ("parse", "COMPLETED", 1): 1,
        ("validate", "COMPLETED", 1): 1,
        ("sum_up", "COMPLETED", 1): 4,
        ("sum_up", "FAILED", 1): 1,
        ("load", "COMPLETED", 1): 1,
    }
    assert place.flow_run()["state"] == "COMPLETED"


def test_loading_twice_replaces_what_was_there(place: Place) -> None:
    database = place.home / "twice.db"
    for _ in range(2):
        assert place.example("air_quality.py", "--database", str(database)).returncode == 0
    assert rows(database, "SELECT count(*) FROM days") == [(DAYS,)]
    assert rows(database, "SELECT count(*) FROM rejected") == [(8,)]
    assert len(place.listed("--kind", "flow")) == 2


def test_the_shipped_file_is_read_when_nothing_answers(place: Place) -> None:
    result = place.example("air_quality.py", "--url", f"http://127.0.0.1:{free_port()}/")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("2026-03-0") == DAYS
    assert place.tasks()["fetch", "FAILED", 4] == 1
    assert place.tasks()["read_shipped", "COMPLETED", 1] == 1
    assert place.flow_run()["state"] == "COMPLETED"


def test_a_gzipped_file_of_the_archive_is_read(place: Place) -> None:
    header = b"location_id,sensors_id,location,datetime,lat,lon,parameter,units,value"
    row = "1,11,Pier,2026-01-01T01:00:00+01:00,54.2,12.1,pm25,µg/m³,3.5".encode()
    with serving(gzip.compress(header + b"\n" + row + b"\n")) as url:
        result = place.example("air_quality.py", "--url", url)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].split() == [
        "Pier",
        "pm25",
        "2026-01-01",
        "1",
        "3.5",
        "3.5",
    ]
    assert place.tasks()["fetch", "COMPLETED", 1] == 1


def test_a_file_of_another_format_fails_the_flow_and_loads_nothing(place: Place) -> None:
    with serving(b"station,when,value\na,b,1\n") as url:
        result = place.example("air_quality.py", "--url", url)
    assert result.returncode == 1
    assert "the file has no column location_id, location, datetime" in result.stderr
    assert not (place.home / "examples").exists()
    assert place.tasks() == {("fetch", "COMPLETED", 1): 1, ("parse", "FAILED", 1): 1}
    assert place.flow_run()["state"] == "FAILED"
