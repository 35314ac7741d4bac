"""Fans out over ten parts, of which one is broken, and shows what its failure costs.

The other nine parts are loaded and cleaned, and `tally`, which takes failures as values, counts
them. `combine` needs every part, so it is skipped; the flow fails, and the script ends with exit
code 1.

    python examples/fan_out.py
"""

from __future__ import annotations

from towpath import allow_failure, flow, task

PARTS = 10
BROKEN = 3


@task
def load(part: int) -> int:
    """Loads one part."""
    if part == BROKEN:
        raise ValueError(f"part {part} is not readable")
    return part * 10


@task
def clean(value: int) -> int:
    """Cleans what was loaded."""
    return value + 1


@task
def tally(values: list[int | BaseException]) -> int:
    """Counts the parts that are clean, whatever became of the others."""
    return sum(isinstance(value, int) for value in values)


@task
def combine(values: list[int]) -> int:
    """Needs every part."""
    return sum(values)


@flow
def fan_out() -> int:
    """Loads and cleans ten parts, then counts and combines them."""
    cleaned = clean.map(load.map(range(PARTS)))
    total = combine.submit(cleaned)
    print(f"{tally.submit(allow_failure(cleaned)).result()} of {PARTS} parts are clean")
    return total.result()


if __name__ == "__main__":
    fan_out()
