"""Async tasks side by side: awaited together, submitted, and asked for their states."""

import asyncio

from towpath import flow, task


@task
async def weigh(parcel: str) -> int:
    await asyncio.sleep(0)
    if parcel == "torn":
        raise ValueError("the parcel is torn")
    return len(parcel)


@task
def add(weights: list[int]) -> int:
    return sum(weights)


@flow
async def depot(parcels: list[str]) -> int:
    together = await asyncio.gather(*(weigh(parcel) for parcel in parcels))
    futures = weigh.map(parcels)
    submitted = futures.result()
    assert submitted == together
    state = await weigh("torn", return_state=True)
    print(state.name, type(await state.result(raise_on_failure=False)).__name__)
    fine = await weigh("box", return_state=True)
    print(fine.name, await fine.result())
    return add(submitted)


if __name__ == "__main__":
    print("weight", asyncio.run(depot(["letter", "crate", "book"])))
