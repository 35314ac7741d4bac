"""Prefect's half of the comparison; it is executed by Prefect's interpreter, with its server.

Arguments: runs from trigger to first line, runs that do nothing, processes at a time. The last line
of the output is the result as JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

from prefect import flow, get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.deployments import run_deployment

POOL = "local"
FOLDER = Path.cwd()


COMMAND = [sys.executable, "-m", "prefect"]


def main(size: int, runs: int, limit: int) -> None:
    """Makes a pool, starts a worker, measures."""
    subprocess.run([*COMMAND, "work-pool", "create", POOL, "--type", "process"], check=True)
    asyncio.run(deploy())
    start = [*COMMAND, "worker", "start", "--pool", POOL, "--limit", str(limit)]
    worker = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        print(json.dumps(asyncio.run(measure(size, runs))))
    finally:
        worker.terminate()
        worker.wait()


async def deploy() -> None:
    """Deploys both flows."""
    for name in ("tells", "nothing"):
        found = await flow.from_source(source=str(FOLDER), entrypoint=f"told.py:{name}")
        await found.deploy(name="it", work_pool_name=POOL, build=False, print_next_steps=False)


async def measure(size: int, runs: int) -> dict:
    """Measures single runs, then many."""
    await trigger("warm")
    took = [await trigger(f"first-line-{number}") for number in range(size)]
    began = time.perf_counter()
    made = [await run_deployment("nothing/it", timeout=0) for _ in range(runs)]
    await ended([run.id for run in made])
    return {"first_line_ms": took, "seconds": time.perf_counter() - began}


async def trigger(name: str) -> float:
    """Milliseconds from the call that creates a run to its first line."""
    began = time.time()
    file = str(FOLDER / name)
    run = await run_deployment("tells/it", parameters={"place": file}, timeout=0)
    await ended([run.id])
    return (told(file) - began) * 1e3


def told(file: str) -> float:
    """The time that a run has written."""
    return float(Path(file).read_text(encoding="utf-8"))


async def ended(run_ids: list) -> None:
    """Waits for runs to complete."""
    left = set(run_ids)
    async with get_client() as client:
        while left:
            await asyncio.sleep(0.1)
            some = sorted(left)[:100]
            found = await client.read_flow_runs(flow_run_filter=FlowRunFilter(id={"any_": some}))
            for run in found:
                assert run.state is not None
                if run.state.is_final():
                    assert run.state.is_completed(), run.state
                    left.discard(run.id)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
