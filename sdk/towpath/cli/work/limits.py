"""`towpath limit`: limits on what happens at once or per second, and who holds their slots."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from towpath.cli.shared.groups import CommandGroup
from towpath.cli.shared.output import (
    json_object,
    list_output,
    print_facts,
    print_json,
    print_list,
    text_output,
)
from towpath.cli.shared.session import confirmed, note, service_client, yes_option
from towpath.cli.shared.times import local_minute, local_second, parse_duration
from towpath.cli.work.names import LABEL_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from towpath.client import Limit, LimitHolder


@click.group(cls=CommandGroup)
def group() -> None:
    """Manage limits on what happens at once, or per second."""


@group.command("set")
@click.argument("name")
@click.argument("slots", type=click.IntRange(0))
@click.option("--per", default="", help="Limit the rate: so many slots in this time, such as 1m.")
@click.option("--burst", type=click.IntRange(1), help="With --per: most slots at once.")
@click.option("--disabled", is_flag=True, help="Let everything through.")
@click.option("--description", default="", help="Description of the limit.")
@click.option("--etag", default="", help="Etag that the limit must still have.")
def set_limit(
    name: str,
    slots: int,
    per: str,
    burst: int | None,
    description: str,
    etag: str,
    *,
    disabled: bool,
) -> None:
    """Create a limit, or replace the settings of one."""
    if burst is not None and not per:
        raise click.UsageError("--burst belongs to a limit on the rate: name its time with --per")
    refill = slots / _seconds(per) if per else 0.0
    if per and not slots:
        raise click.UsageError("a limit on the rate has 1 slot or more")
    with service_client() as client:
        made = client.limits.set(
            name,
            burst or slots,
            refill_per_second=refill,
            disabled=disabled,
            description=description,
            etag=etag,
        )
    note(f"limit {name}: {_size(made)}")


@group.command("ls")
@click.option("--keys", is_flag=True, help="List also the limits made from templates.")
@list_output
def list_limits(output: str, *, keys: bool) -> None:
    """List limits."""
    with service_client() as client:
        limits = list(client.limits.list(keys=keys))
    print_list(
        limits,
        {
            "LIMIT": lambda item: item.name,
            "SLOTS": _size,
            "HELD": lambda item: str(item.held),
            "WAITING": lambda item: str(item.waiting),
            "STATE": lambda item: "disabled" if item.disabled else "",
            "DESCRIPTION": lambda item: item.description,
        },
        output,
        as_json=_as_json,
    )


@group.command()
@click.argument("name")
@text_output
def show(name: str, output: str) -> None:
    """Show a limit, who holds its slots, and who waits for them."""
    with service_client() as client:
        limit = client.limits.get(name)
        holders = list(client.limits.holders(name))
    if output == "json":
        print_json({**_as_json(limit), "holders": [_holder_json(item) for item in holders]})
        return
    print_facts(_facts(limit), width=LABEL_WIDTH)
    if not holders:
        return
    click.echo()
    now = datetime.now(UTC)
    print_list(
        holders,
        {
            "HOLDER": lambda item: item.id,
            "STATE": lambda item: "waits" if item.waiting else "holds",
            "SLOTS": lambda item: str(item.slots),
            "SINCE": lambda item: local_second(item.since),
            "FOR": lambda item: _span(now - item.since),
            "RUN": lambda item: item.run,
            "WHO": lambda item: item.holder,
        },
        "text",
        as_json=_holder_json,
    )


@group.command("rm")
@click.argument("name")
@yes_option
def remove(name: str, *, yes: bool) -> None:
    """Delete a limit; what waits for it goes on."""
    if confirmed(f"Nothing will be limited by {name} any more. Go on?", yes=yes):
        with service_client() as client:
            client.limits.delete(name)
        note(f"limit {name} deleted")


@group.command()
@click.argument("name")
@click.argument("holder", default="")
@click.option("--all", "everything", is_flag=True, help="Release all that hold slots.")
@yes_option
def release(name: str, holder: str, *, everything: bool, yes: bool) -> None:
    """Take the slots of a limit from their holder, which may still run."""
    if bool(holder) == everything:
        raise click.UsageError("name one holder, as `towpath limit show` lists it, or give --all")
    if not confirmed("Others may get the slots while their holder still runs. Go on?", yes=yes):
        return
    with service_client() as client:
        found = [item for item in client.limits.holders(name) if _meant(item, holder)]
        if not found and holder:
            advice = f"`towpath limit show {name}` lists them"
            raise click.ClickException(f"the limit {name} has no holder {holder}: {advice}")
        if holder and len(found) > 1:
            raise click.UsageError(f"{len(found)} holders begin with {holder}: give more of the id")
        for item in found:
            client.limits.release(name, item.id)
    note(f"limit {name}: {len(found)} released")


def _meant(item: LimitHolder, holder: str) -> bool:
    return item.id.startswith(holder) if holder else not item.waiting


def _seconds(text: str) -> float:
    """A time such as "1m", "second" or "hour" in seconds; raises a usage error."""
    words = {"second": "1s", "minute": "1m", "hour": "1h", "day": "1d"}
    try:
        span = parse_duration(words.get(text, text))
    except ValueError as error:
        raise click.UsageError(f"--per {text}: {error}") from error
    if span.total_seconds() <= 0:
        raise click.UsageError("--per must be longer than nothing")
    return span.total_seconds()


def _size(limit: Limit) -> str:
    if not limit.refill_per_second:
        return str(limit.slots)
    for seconds, unit in ((1, "s"), (60, "min"), (3600, "h"), (86400, "d")):
        rate = limit.refill_per_second * seconds
        if rate >= 1 - 1e-6 or unit == "d":
            return f"{rate:.6g}/{unit}, {limit.slots} at once"
    raise AssertionError


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _facts(limit: Limit) -> Iterable[tuple[str, str]]:
    return (
        ("limit", limit.name),
        ("slots", _size(limit)),
        ("held", str(limit.held)),
        ("waiting", str(limit.waiting)),
        ("state", "disabled" if limit.disabled else "enabled"),
        ("template", limit.template),
        ("description", limit.description),
        ("changed", local_minute(limit.changed)),
        ("etag", limit.etag),
    )


def _as_json(limit: Limit) -> dict[str, Any]:
    return json_object(
        name=limit.name,
        resource_name=limit.resource_name,
        slots=limit.slots,
        refill_per_second=limit.refill_per_second,
        disabled=limit.disabled,
        description=limit.description,
        held=limit.held,
        waiting=limit.waiting,
        template=limit.template,
        created=limit.created,
        changed=limit.changed,
        etag=limit.etag,
    )


def _holder_json(holder: LimitHolder) -> dict[str, Any]:
    return json_object(
        id=holder.id,
        run=holder.run,
        holder=holder.holder,
        slots=holder.slots,
        state="waits" if holder.waiting else "holds",
        priority=holder.priority,
        since=holder.since,
        expires=holder.expires,
    )
