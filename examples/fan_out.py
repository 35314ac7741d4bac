"""Fans out over ten parts, of which one is broken, and shows what its failure costs.

The other parts run, what needs the broken one does not, and the script ends with exit code 1.

    python examples/fan_out.py
"""

from __future__ import annotations

from towpath import flow, task

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
def combine(values: list[int]) -> int:
    """Needs every part."""
    return sum(values)


@flow
def fan_out() -> int:
    """Loads and cleans ten parts, then combines them."""
    parts = [clean.submit(load.submit(part)) for part in range(10)]
    return combine.submit(parts).result()


if __name__ == "__main__":
    fan_out()
