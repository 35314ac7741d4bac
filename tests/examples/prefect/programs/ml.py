"""Several models are trained side by side, and the best one that works is chosen."""

from typing import Any

from towpath import flow, task
from towpath.futures import as_completed
from towpath.task_runners import ThreadPoolTaskRunner

POINTS = [(x, 2 * x + 1) for x in range(10)]


@task(tags=["train"])
def train(kind: str, points: list[tuple[int, int]]) -> Any:
    if kind == "mean":
        mean = sum(y for _, y in points) / len(points)
        return lambda x: mean
    if kind == "line":
        (x0, y0), (x1, y1) = points[0], points[-1]
        slope = (y1 - y0) / (x1 - x0)
        return lambda x: y0 + slope * (x - x0)
    raise ValueError(f"no model is called {kind}")


@task
def error_of(model: Any, points: list[tuple[int, int]]) -> float:
    return sum(abs(model(x) - y) for x, y in points) / len(points)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=3))
def choose(kinds: list[str]) -> tuple[str, float]:
    training, testing = POINTS[:7], POINTS[7:]
    models = {train.submit(kind, training): kind for kind in kinds}
    scores: dict[str, float] = {}
    for future in as_completed(list(models)):
        kind = models[future]
        if future.state.is_failed():
            print("left out:", future.result(raise_on_failure=False))
        else:
            scores[kind] = error_of(future, testing)
    best = min(scores, key=lambda kind: scores[kind])
    return best, scores[best]


if __name__ == "__main__":
    print(*choose(["mean", "line", "forest"]))
