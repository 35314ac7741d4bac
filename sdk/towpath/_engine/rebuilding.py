"""Copies of arguments with other values in the place of futures."""

from __future__ import annotations

import copy
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from towpath._class_cache import class_of
from towpath._engine.containers import Kind, fields_of, kind_of, parts_of
from towpath.annotations import allow_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from towpath._runs.futures import Future
    from towpath.states import State

_Key = tuple[int, bool]
"""The id of an object, and whether failures of futures in it are allowed."""
_EMPTY: Final[dict[type[Any], Callable[[], Any]]] = {list: list, dict: dict, set: set}
_log: Final = logging.getLogger("towpath.engine")


class CanNotBeCopiedError(Exception):
    """An object can't be copied with other contents."""


@dataclass(slots=True)
class _Node:
    """An object on the way to a future."""

    value: Any
    kind: Kind
    allowed: bool
    """Whether failures of futures inside it are allowed."""
    parts: list[tuple[Any, _Key]] = field(default_factory=list[tuple[Any, _Key]])

    @property
    def is_immutable(self) -> bool:
        wrappers = {Kind.WRAPPER, Kind.OPAQUE, Kind.QUOTE}
        return self.kind in wrappers or isinstance(self.value, tuple | frozenset)


class Rebuilding:
    """Rebuilds arguments that hold futures; shared objects stay shared, also between arguments."""

    def __init__(self, replace: Callable[[Future[Any] | State[Any], bool], Any]) -> None:
        """Rebuilds nothing yet.

        Args:
            replace: Is called with a future or state and whether its failure is allowed, once for
                each.
        """
        self._replace = replace
        self._nodes: dict[_Key, _Node] = {}
        self._ordered: list[_Key] = []
        """Nodes of the present walk, inner ones before outer ones but for cycles."""
        self._new: dict[_Key, Any] = {}
        """The replacement of each object; an unchanged object is its own."""

    def rebuilt(self, value: Any) -> Any:
        """A value with results in the place of futures; the same object where there is none."""
        self._ordered = []
        self._walk(value)
        changed = self._changed()
        for key in self._ordered:
            node = self._nodes[key]
            if key not in changed:
                self._new[key] = node.value
            elif not node.is_immutable:
                self._new[key] = _shell(node)
        self._fill([key for key in self._ordered if key in changed])
        return self._new.get((id(value), False), value)

    def _walk(self, value: Any) -> None:
        """Visits every object once, without recursion, and notes them from the inside out."""
        path = self._entered(value, False)
        while path:
            key, parts = path[-1]
            for part, allowed in parts:
                further = self._entered(part, allowed)
                if further:
                    path += further
                    break
            else:
                self._ordered.append(key)
                path.pop()

    def _entered(self, value: Any, allowed: bool) -> list[Any]:
        kind, key = kind_of(class_of(value)), (id(value), allowed)
        if kind is Kind.LEAF or key in self._nodes:
            return []
        inner = allowed or type(value) is allow_failure
        node = self._nodes[key] = _Node(value, kind, inner)
        if kind not in {Kind.FUTURE, Kind.QUOTE}:
            node.parts = [(part, (id(part), inner)) for part in parts_of(value, kind)]
        return [(key, iter([(part, inner) for part, _ in node.parts]))]

    def _changed(self) -> set[_Key]:
        """The nodes that a future or a wrapper stands in."""
        around: dict[_Key, list[_Key]] = {}
        for key in self._ordered:
            for _, inner in self._nodes[key].parts:
                around.setdefault(inner, []).append(key)
        containers = {Kind.SEQUENCE, Kind.DICT, Kind.DATACLASS, Kind.MODEL}
        waiting = [
            key
            for key, node in self._nodes.items()
            if node.kind not in containers or self._new.get(key, node.value) is not node.value
        ]
        changed = set(waiting)
        while waiting:
            new = [key for key in around.get(waiting.pop(), ()) if key not in changed]
            changed.update(new)
            waiting += new
        return changed

    def _fill(self, keys: list[_Key]) -> None:
        """Fills the copies; one that needs a copy not made yet waits for the next round."""
        while keys:
            later = [key for key in keys if not self._filled(self._nodes[key], key)]
            if len(later) == len(keys):
                break
            keys = later
        for key in keys:
            self._new[key] = self._nodes[key].value

    def _filled(self, node: _Node, key: _Key) -> bool:
        if node.kind is Kind.FUTURE:
            self._new[key] = self._replace(node.value, node.allowed)
            return True
        if any(inner not in self._new for _, inner in node.parts):
            return False
        try:
            self._new[key] = self._copied(node, self._new.get(key))
        except Exception as error:  # noqa: BLE001 - containers of users may raise anything
            self._new[key] = node.value
            _log.warning(
                "a %s holds a future and can't be copied (%s): it is passed as it is",
                type(node.value).__qualname__,
                type(error).__qualname__,
            )
        return True

    def _copied(self, node: _Node, shell: Any) -> Any:
        if node.kind is Kind.QUOTE:
            return node.value.value
        if node.kind in {Kind.WRAPPER, Kind.OPAQUE}:
            return self._of(node.value.value, node)
        if shell is None and not node.is_immutable:
            raise CanNotBeCopiedError
        return self._with_contents(node, shell)

    def _with_contents(self, node: _Node, shell: Any) -> Any:
        if node.kind is Kind.DICT:
            pairs = [(self._of(k, node), self._of(v, node)) for k, v in node.value.items()]
            shell.clear()
            shell.update(pairs)
            return shell
        if node.kind is Kind.SEQUENCE:
            return _with_items(node.value, shell, [self._of(item, node) for item in node.value])
        return self._with_fields(node, shell)

    def _with_fields(self, node: _Node, shell: Any) -> Any:
        extra: dict[str, Any] = getattr(shell, "__pydantic_extra__", None) or {}
        for name, item in fields_of(node.value, node.kind).items():
            new = self._of(item, node)
            if new is item:
                continue
            if node.kind is Kind.DATACLASS:
                object.__setattr__(shell, name, new)
            else:
                (extra if name in extra else shell.__dict__)[name] = new
        return shell

    def _of(self, item: Any, node: _Node) -> Any:
        return self._new.get((id(item), node.allowed), item)


def _shell(node: _Node) -> Any:
    """A copy to be filled; None where there can be none."""
    value, cls = node.value, class_of(node.value)
    if cls in _EMPTY:
        return _EMPTY[cls]()
    with suppress(Exception):
        shell = copy.copy(value)
        if shell is not value and type(shell) is cls:
            return shell
    return None


def _with_items(value: Any, shell: Any, items: list[Any]) -> Any:
    cls = class_of(value)
    if issubclass(cls, list):
        shell[:] = items
        return shell
    if issubclass(cls, set):
        new = set(items)
        shell.clear()
        shell.update(new)
        return shell
    base: Any = tuple if issubclass(cls, tuple) else frozenset
    made = base.__new__(cls, items)
    if hasattr(value, "__dict__"):
        made.__dict__.update(value.__dict__)
    return made
