"""A flow of flows: regions are summed up by subflows, which get futures and states."""

from typing import Any

from towpath import flow, tags, task
from towpath.runtime import flow_run

SALES = {"north": [3, 4], "south": [10]}


@task
def read(region: str) -> list[int]:
    return SALES[region]


@flow(flow_run_name="sum of {region}", log_prints=True)
def region_total(region: str, sales: list[int]) -> int:
    assert flow_run.name == f"sum of {region}"
    assert flow_run.parent_flow_run_id is not None
    assert "sales" in flow_run.tags
    return sum(sales)


@flow
def report() -> int:
    with tags("sales"):
        north_sales: Any = read.submit("north")
        south_sales: Any = read("south", return_state=True)
        north = region_total("north", north_sales)
        south = region_total("south", south_sales, return_state=True)
    print("south", south.name, south.type.value)
    return north + int(south.result())


if __name__ == "__main__":
    print("total", report())
