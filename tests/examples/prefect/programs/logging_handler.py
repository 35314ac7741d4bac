"""Lines of runs, and prints, reach a handler of one's own, with the names of their runs."""

import logging

from towpath import flow, get_run_logger, task
from towpath.logging import get_logger

kept: list[str] = []


class Keeping(logging.Handler):
    """Keeps lines of runs."""

    def emit(self, record: logging.LogRecord) -> None:
        run = getattr(record, "task_name", None) or getattr(record, "flow_name", None)
        if run in {"count", "inventory"}:
            kept.append(f"{record.levelname} {run}: {record.getMessage()}")


@task
def count(shelf: str) -> int:
    get_run_logger().info("counting %s", shelf)
    return len(shelf)


@task(log_prints=False)
def whisper() -> None:
    print("this is only printed")


@flow(log_prints=True)
def inventory() -> int:
    logger = get_run_logger()
    total = sum(count(shelf) for shelf in ("left", "right"))
    if total > 5:
        logger.warning("more than expected")
    whisper()
    return total


if __name__ == "__main__":
    get_logger().addHandler(Keeping())
    print("total", inventory())
    for line in kept:
        if "counting" in line or "expected" in line:
            print(line)
