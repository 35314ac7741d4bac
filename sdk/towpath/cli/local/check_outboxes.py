"""The checks of `towpath doctor` of the outboxes of a home."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from towpath._delivery.outbox import lock_outbox, outboxes
from towpath._delivery.refusals import described, noted_refusal
from towpath.cli.local.check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def outbox_checks(home: Path) -> Iterator[Check]:
    """Checks what waits in the outboxes of a home, and what was refused."""
    waiting = outboxes(home)
    living = sum(_has_owner(folder) for folder in waiting)
    left = len(waiting) - living
    size = sum(file.stat().st_size for folder in waiting for file in _files(folder))
    text = f"{left} wait for delivery, {living} belong to running processes"
    yield Check(
        name="outboxes",
        verdict="warning" if left else "ok",
        text=f"{text}; {size / 1024:.0f} KB" if waiting else "no outbox waits",
        fix="`towpath sync` delivers them" if left else "",
    )
    yield from _refusal_checks(waiting)
    aside = home / "outbox-set-aside"
    damaged = sorted(aside.iterdir()) if aside.is_dir() else []
    if damaged:
        yield Check(
            name="outboxes",
            verdict="warning",
            text=f"{len(damaged)} were damaged and moved to {aside}",
            fix="their readable part was delivered; delete them when you no longer need the rest",
        )
    rejected = home / "outbox" / "rejected.jsonl"
    if rejected.exists():
        with rejected.open(encoding="utf-8") as file:
            count = sum(1 for _ in file)
        yield Check(
            name="outboxes",
            verdict="warning",
            text=f"{count} updates were refused permanently",
            fix=f"read {rejected} for the updates and reasons, then delete it",
        )


def _refusal_checks(waiting: list[Path]) -> Iterator[Check]:
    noted = [refusal for folder in waiting if (refusal := noted_refusal(folder)) is not None]
    for text, way_out in described(noted):
        yield Check(name="outboxes", verdict="warning", text=text, fix=way_out)


def _has_owner(folder: Path) -> bool:
    descriptor = lock_outbox(folder)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.frames") if path.exists()]
