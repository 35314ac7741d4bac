"""The pipeline that the chaos tests run and kill: waves of tasks, retries, a subflow, logs.

Run as a script: pipeline.py WITNESS WAVES. Every task body appends a line to the witness file, so
that what really ran can be compared with what was recorded.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from towpath import flow, get_run_logger, task

WIDTH = 8


def witness(line: str) -> None:
    """Appends a line to the witness file, in one write."""
    descriptor = os.open(os.environ["CHAOS_WITNESS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


@task
def step(wave: int, index: int) -> int:
    """One small piece of work."""
    witness(f"step {wave} {index}")
    get_run_logger().info("step %d of wave %d", index, wave)
    time.sleep(0.002)
    return index


@task(retries=2)
def flaky(wave: int) -> int:
    """Fails at its first attempt."""
    mark = Path(os.environ["CHAOS_WITNESS"] + f".{wave}")
    if not mark.exists():
        mark.touch()
        raise ConnectionError("the first attempt fails")
    return wave


@task
def total(values: list[int], extra: int) -> int:
    """Takes what a wave made."""
    return sum(values) + extra


@flow
def wave_of(wave: int) -> int:
    """One wave, as a subflow."""
    steps = [step.submit(wave, index) for index in range(WIDTH)]
    return total.submit(steps, flaky.submit(wave)).result()  # type: ignore[arg-type]


@flow
def chaos_pipeline(waves: int) -> int:
    """All waves, one after the other."""
    return sum(wave_of(wave) for wave in range(waves))


if __name__ == "__main__":
    os.environ["CHAOS_WITNESS"] = sys.argv[1]
    chaos_pipeline(int(sys.argv[2]))
