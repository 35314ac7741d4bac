"""Deployments of flows as their authors write them, before they are deployed."""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypedDict, TypeVar

from towpath._definitions.slugs import by_slug, deployment_id_of
from towpath.exceptions import DefinitionError
from towpath.schedules import Cron, Interval, RRule, Schedule

if TYPE_CHECKING:
    from towpath._definitions.code_sources import CodeSource

T = TypeVar("T")

_IGNORED: Final = {
    "print_next_steps": "",
    "ignore_warnings": "",
    "entrypoint_type": "",
    "version_type": "",
    "webserver": "the service answers about the health of runs",
}
"""Options of Prefect's without effect, with the reason that a warning gives; empty for none."""


class DeployOptions(TypedDict, total=False):
    """Options of a deployment; those of a flow come from the flow by default."""

    interval: timedelta | float | Iterable[timedelta | float] | None
    """Time between runs: a timedelta, seconds, or several of them."""
    cron: str | Iterable[str] | None
    """Cron expression, or several."""
    rrule: str | Iterable[str] | None
    """Recurrence rule, or several."""
    schedule: Schedule | None
    schedules: Iterable[Schedule] | None
    paused: bool | None
    """Whether its schedules create no runs; None leaves a deployment that is there as it is."""
    concurrency_limit: int | None
    """Most runs at a time; None for no limit."""
    collision_strategy: Literal["enqueue", "cancel_new"]
    """What becomes of a run that meets the full limit."""
    parameters: Mapping[str, Any] | None
    """Default arguments, over those of the function."""
    enforce_parameter_schema: bool
    """Whether the arguments of each run must fit the annotations; by default they must."""
    description: str | None
    tags: Iterable[str] | None
    """Tags of its runs, beside those of the flow."""
    labels: Mapping[str, str]
    """Labels of its runs."""
    version: str | None
    """Version of the code; by default the flow's."""
    work_queue_name: str | None
    """Id of the queue; by default the pool's default queue."""
    job_variables: Mapping[str, Any] | None
    """Overrides of the pool's job template."""
    crash_retries: int
    """Attempts after a crash, beside those of the flow's own retries."""
    on_lost_contact: Literal["continue", "stop"]
    """What the process of a run does when it has lost contact to the service."""
    timeout: timedelta | float | None
    """Longest an attempt may run."""
    start_deadline: timedelta | float | None
    """How late a run may start."""
    priority: int
    """Priority of its runs, 1 to 100; 50 by default."""
    secrets: Iterable[str]
    """Ids of the secrets that its runs may use."""
    image: Any
    """Image of its runs, a text or a `DockerImage`, where the pool's kind uses images."""
    build: bool
    """Whether deploying builds the image; by default it does."""
    push: bool
    """Whether deploying pushes the image once it is built; by default it does."""
    print_next_steps: bool
    """Has no effect."""
    ignore_warnings: bool
    """Has no effect."""
    entrypoint_type: Any
    """Has no effect."""
    version_type: Any
    """Has no effect."""
    webserver: bool
    """Has no effect."""


class DeploymentOptions(DeployOptions, total=False):
    """Options of a deployment, its work pool among them."""

    work_pool_name: str | None
    """Id of the work pool."""


class DeployedFlow(Protocol):
    """What a deployment needs of its flow."""

    name: str
    flow_id: str
    description: str
    tags: set[str]
    should_validate_parameters: bool
    fn: Any
    """The function."""
    code: CodeSource | None
    entrypoint: str

    @property
    def code_version(self) -> str:
        """The flow's version, or a digest of its code."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerDeployment:
    """A flow with the options of a deployment: `flow.to_deployment` makes it.

    Attributes:
        flow: The flow.
        name: Name of the deployment.
        options: Options, as they were given.
        schedules: Its schedules by id; None to leave the schedules that are there as they are.
    """

    flow: DeployedFlow
    name: str
    options: DeploymentOptions
    schedules: Mapping[str, Schedule] | None

    @property
    def id(self) -> str:
        """The deployment's id within its flow."""
        return deployment_id_of(self.name)

    @property
    def full_name(self) -> str:
        """The deployment's name for commands and clients, "flow/deployment", made of ids."""
        return f"{self.flow.flow_id}/{self.id}"


def make_deployment(flow: DeployedFlow, name: str, options: DeploymentOptions) -> RunnerDeployment:
    """Returns a deployment of a flow, with options that were checked.

    Raises:
        DefinitionError: The name or an option is wrong.
    """
    given: Any = name
    if not isinstance(given, str) or not given.strip() or "/" in given:
        raise DefinitionError(f"name of a deployment is a text without '/', not {given!r}")
    check_options(options)
    return RunnerDeployment(flow=flow, name=name, options=options, schedules=_schedules_of(options))


def check_options(options: DeploymentOptions) -> None:
    """Refuses options that are unknown or wrong, and warns of those without effect.

    Raises:
        DefinitionError: An option is refused.
    """
    known = {*DeployOptions.__annotations__, *DeploymentOptions.__annotations__}
    for option in options:
        if option == "triggers":
            raise DefinitionError("triggers of a deployment are not supported")
        if option not in known:
            close = difflib.get_close_matches(option, known, 1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise DefinitionError(f"a deployment has no option {option!r}{hint}")
        if options.get(option) and _IGNORED.get(option):
            warnings.warn(f"{option} is ignored: {_IGNORED[option]}", stacklevel=4)
    limit: Any = options.get("concurrency_limit")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise DefinitionError(f"concurrency_limit is a number of runs, at least 1, not {limit!r}")
    _check_parameters(options.get("parameters"))


def _check_parameters(parameters: Any) -> None:
    try:
        json.dumps(dict(parameters or {}), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise DefinitionError(f"parameters of a deployment are JSON by name: {error}") from None


def _schedules_of(options: DeploymentOptions) -> Mapping[str, Schedule] | None:
    rules: list[Schedule] = [
        *(Cron(each) for each in _several(options.get("cron"), str)),
        *(Interval(each) for each in _several(options.get("interval"), timedelta, int, float)),
        *(RRule(each) for each in _several(options.get("rrule"), str)),
    ]
    schedule = options.get("schedule")
    several = options.get("schedules")
    ways = [bool(rules), schedule is not None, several is not None]
    if sum(ways) > 1:
        raise DefinitionError(
            "give the schedules of a deployment in one way: cron, interval or rrule, or schedule,"
            " or schedules"
        )
    if not any(ways):
        return None
    return by_slug(_only_schedules([*rules, *([schedule] if schedule else ()), *(several or ())]))


def _only_schedules(given: list[Any]) -> list[Schedule]:
    for each in given:
        if not isinstance(each, Schedule):
            raise DefinitionError(
                f"schedules are Cron, Interval or RRule of towpath.schedules, not {each!r}"
            )
    return given


def _several(given: Any, *kinds: type[Any]) -> list[Any]:
    """What was given once or several times, as a list."""
    if given is None:
        return []
    if isinstance(given, kinds) or not isinstance(given, Iterable):
        return [given]
    return [*given]


def span_of(name: str, span: timedelta | float | None) -> timedelta | None:
    """Returns an option that is a span of time.

    Raises:
        DefinitionError: It isn't above zero.
    """
    if span is None:
        return None
    try:
        found = span if isinstance(span, timedelta) else timedelta(seconds=span)
    except (TypeError, OverflowError):
        found = timedelta()
    if found <= timedelta():
        raise DefinitionError(f"{name} is a timedelta or seconds, above 0, not {span!r}")
    return found
