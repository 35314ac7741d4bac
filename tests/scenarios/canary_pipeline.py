"""A pipeline that is careless with a secret in every way it can: see test_canary.py."""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from towpath import Sensitive, flow, get_run_logger, task
from towpath.context import get_run_context
from towpath.exceptions import ParameterError
from towpath.task_runners import ProcessPoolTaskRunner

Password = Annotated[str, Sensitive]


def secret() -> str:
    return Path(os.environ["CANARY_FILE"]).read_text()


@task(retries=1, retry_delay_seconds=0, task_run_name="break-{who}-{password}")
def breaks(password: Password, who: str) -> None:
    get_run_logger().info("trying %s for %s", password, who)
    try:
        raise KeyError(password)  # noqa: TRY301 - a cause is a sink
    except KeyError as error:
        get_run_logger().exception("no key %s of %s", password, who)
        raise ValueError(f"no login for {who} with {password!r}") from error


@task(log_prints=True, persist_result=True)
def tells(password: Password, who: str) -> str:
    logger = get_run_logger()
    content = password.encode()
    for form in (
        password,
        repr(password),
        json.dumps({"password": password}),
        quote(password, safe=""),
        base64.b64encode(content).decode(),
        base64.b64encode(b"user:" + content).decode(),
        base64.urlsafe_b64encode(b"ab" + content + b"c").decode(),
        content.hex(),
    ):
        logger.info("%s has %s", who, form)
    logger.warning("key %s", os.environ.get("TOWPATH_API_KEY", "none"))
    print(who, password)  # noqa: T201 - prints are a sink
    return who


@task
def counts(password: Password, who: str) -> int:
    get_run_logger().info("one of %s is %s", who, password)
    return len(password)


@flow(name="inner", flow_run_name="inner-{who}-{password}")
def inner(password: Password, who: str) -> str:
    return tells(password, who)


@flow(name="in-processes", task_runner=ProcessPoolTaskRunner(max_workers=1))
def in_processes(password: Password, who: str) -> None:
    told = tells.submit(password, who)
    told.result()
    breaks.submit(password, who).wait()


@flow(name="holder")
def holder(who: str) -> None:
    """Has no sensitive parameter itself: the error of its task is about one."""
    breaks(secret(), who)


@flow(name="number")
def number(password: Annotated[int, Sensitive], who: str) -> None:
    get_run_logger().info("%s has %s", who, password)


@flow(name="outer", flow_run_name="outer-{who}-{password}", final_state="return_value")
def outer(password: Password, who: str) -> str:
    inner(password, who)
    counted = counts.map([f"{password}-{n}" for n in range(3)], who)
    failed = breaks.submit(password, who)
    failed.wait()
    told = [repr(failed), repr(failed.state), repr(get_run_context()), *map(repr, counted)]
    told += [str(failed.state.message), who]
    Path(os.environ["REPRS_FILE"]).write_text("\n".join(told))
    in_processes(password, who, return_state=True)
    holder(who, return_state=True)
    try:
        number(password, who)  # type: ignore[arg-type]
    except ParameterError as error:
        print(f"{who}: {error}")  # noqa: T201 - errors are a sink
    raise RuntimeError(f"{who} ends with {password}")


if __name__ == "__main__":
    outer(secret(), sys.argv[1])
