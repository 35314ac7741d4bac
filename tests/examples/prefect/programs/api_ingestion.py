"""An API that gives pages and refuses some requests is read to its end."""

from typing import Any

from towpath import flow, task
from towpath.futures import wait
from towpath.tasks import exponential_backoff

PAGES = {1: [{"id": 1}, {"id": 2}], 2: [{"id": 3}], 3: [{"id": 4}, {"id": 2}]}
refused: set[int] = set()


class TooManyRequestsError(Exception):
    """The API asks to come again later."""


def is_worth_it(task_: Any, run: Any, state: Any) -> bool:
    try:
        state.result()
    except TooManyRequestsError:
        return True
    except Exception:
        return False
    return False


@task(
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=0),
    retry_condition_fn=is_worth_it,
    task_run_name="page-{number}",
)
def read(number: int) -> list[dict[str, int]]:
    if number == 2 and number not in refused:
        refused.add(number)
        raise TooManyRequestsError
    return PAGES[number]


@task
def numbers(last: int = 3) -> list[int]:
    return list(range(1, last + 1))


@task
def merge(pages: list[list[dict[str, int]]]) -> list[int]:
    return sorted({row["id"] for page in pages for row in page})


@flow
def ingest() -> list[int]:
    pages = read.map(numbers.submit())
    done, not_done = wait(pages)
    print(len(done), "pages read,", len(not_done), "left")
    return merge(pages)


if __name__ == "__main__":
    print("ids", ingest())
