"""Trains a linear model on a Dask cluster: each worker computes the gradient of its shards.

The data never passes through the flow: a shard is made where it is used, as it would be read from
object storage. Of the flow's process, only the model and the gradients take the way.

    pip install 'towpath[dask]'
    python examples/train_on_dask.py [--address tls://10.0.0.1:8786] [--steps 20]
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass

from towpath import flow, get_run_logger, task, unmapped
from towpath.dask import DaskTaskRunner

SHARDS = 4
ROWS = 2_000
SLOPE, OFFSET = 3.0, -1.0


@dataclass(frozen=True)
class Model:
    """y = slope * x + offset."""

    slope: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True)
class Gradient:
    """How the mean square error of a shard changes with the model."""

    slope: float
    offset: float
    loss: float


def rows_of(shard: int) -> list[tuple[float, float]]:
    """Makes the rows of a shard, the same ones each time."""
    chance = random.Random(shard)  # noqa: S311 - no secret
    xs = [chance.uniform(-1, 1) for _ in range(ROWS)]
    return [(x, SLOPE * x + OFFSET + chance.gauss(0, 0.1)) for x in xs]


@task(retries=2)
def gradient(shard: int, model: Model) -> Gradient:
    """Computes the gradient on one shard; another worker does it if this one dies."""
    errors = [(x, model.slope * x + model.offset - y) for x, y in rows_of(shard)]
    return Gradient(
        slope=sum(2 * error * x for x, error in errors) / ROWS,
        offset=sum(2 * error for _, error in errors) / ROWS,
        loss=sum(error * error for _, error in errors) / ROWS,
    )


@flow
def train(steps: int, rate: float = 0.5) -> Model:
    """Follows the mean gradient of all shards, step by step."""
    model = Model()
    for step in range(steps):
        parts = gradient.map(range(SHARDS), unmapped(model)).result()
        get_run_logger().info("step %d: loss %.4f", step, sum(p.loss for p in parts) / SHARDS)
        model = Model(
            slope=model.slope - rate * sum(part.slope for part in parts) / SHARDS,
            offset=model.offset - rate * sum(part.offset for part in parts) / SHARDS,
        )
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", help="of a Dask scheduler; without it, two workers here")
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    runner = (
        DaskTaskRunner(address=options.address)
        if options.address
        else DaskTaskRunner(cluster_kwargs={"n_workers": 2})
    )
    trained = train.with_options(task_runner=runner)(options.steps)
    print(f"slope {trained.slope:.2f}, offset {trained.offset:.2f}")
