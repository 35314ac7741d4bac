"""Limits as a few lines in memory: what the service's decisions are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field

SECOND = 1_000_000


@dataclass
class Acquisition:
    """An acquisition of the model."""

    needs: dict[str, int]
    rank_us: int
    asked_us: int
    expires_us: int
    hold_us: int
    held: bool = False


@dataclass
class Model:
    """All limits and acquisitions of a workspace."""

    slots: dict[str, int] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    acquisitions: dict[str, Acquisition] = field(default_factory=dict)

    def used(self, limit: str) -> int:
        return sum(it.needs.get(limit, 0) for it in self.acquisitions.values() if it.held)

    def never_fits(self, limit: str, slots: int) -> bool:
        most = self.slots[limit]
        return limit not in self.disabled and most > 0 and slots > most

    def ask(self, id_: str, needs: dict[str, int], priority: int, wait_us: int, now_us: int) -> str:
        """Adds an acquisition, or keeps its place; the kind of the answer, if that is known."""
        known = self.acquisitions.get(id_)
        if known is not None:
            if not known.held and any(self.never_fits(*need) for need in known.needs.items()):
                del self.acquisitions[id_]
                return "refused"
            known.expires_us = now_us + (known.hold_us if known.held else wait_us + 10 * SECOND)
            return ""
        for limit in needs:
            key, colon, _ = limit.partition(":")
            if limit not in self.slots and colon and f"{key}:*" in self.slots:
                self.slots[limit] = self.slots[f"{key}:*"]
                if f"{key}:*" in self.disabled:
                    self.disabled.add(limit)
        needs = {limit: slots for limit, slots in needs.items() if limit in self.slots}
        if any(self.never_fits(*need) for need in needs.items()):
            return "refused"
        needs = {limit: slots for limit, slots in needs.items() if limit not in self.disabled}
        if not needs:
            return "free"
        self.acquisitions[id_] = Acquisition(
            needs=needs,
            rank_us=now_us - priority * 30 * SECOND,
            asked_us=now_us,
            expires_us=now_us + wait_us + 10 * SECOND,
            hold_us=60 * SECOND,
        )
        return ""

    def set(self, limit: str, slots: int, *, disabled: bool) -> None:
        """Sets a limit, and those made from it if it is a template."""
        stem = limit.removesuffix("*")
        made = [it for it in self.slots if limit.endswith("*") and it.startswith(stem)]
        for one in {limit, *made}:
            self.slots[one] = slots
            (self.disabled.add if disabled else self.disabled.discard)(one)

    def delete(self, limit: str) -> None:
        """Deletes a limit, and those made from it."""
        stem = limit.removesuffix("*")
        made = [it for it in self.slots if limit.endswith("*") and it.startswith(stem)]
        for one in {limit, *made}:
            del self.slots[one]
            self.disabled.discard(one)
            for id_, acquisition in list(self.acquisitions.items()):
                acquisition.needs.pop(one, None)
                if not acquisition.needs:
                    del self.acquisitions[id_]

    def expire(self, now_us: int) -> None:
        """Ends what is beyond its time."""
        for id_, acquisition in list(self.acquisitions.items()):
            if acquisition.expires_us <= now_us:
                del self.acquisitions[id_]

    def serve(self, now_us: int) -> None:
        """Gives slots, to the first in order first."""
        blocked: dict[str, int] = {}

        def lacks(limit: str, slots: int) -> bool:
            if limit in self.disabled:
                return False
            return self.slots[limit] - self.used(limit) - blocked.get(limit, 0) < slots

        order = sorted((it.rank_us, id_) for id_, it in self.acquisitions.items() if not it.held)
        for _, id_ in order:
            one = self.acquisitions[id_]
            if any(self.never_fits(*need) for need in one.needs.items()):
                continue
            lacking = {limit for limit, slots in one.needs.items() if lacks(limit, slots)}
            if not lacking:
                one.held = True
                one.expires_us = now_us + one.hold_us
                continue
            patient = now_us - one.asked_us < 10 * SECOND
            for limit, slots in one.needs.items():
                if limit in lacking or not patient:
                    blocked[limit] = blocked.get(limit, 0) + slots
