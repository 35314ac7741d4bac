"""What stands for the public names of Prefect: it reads names.toml beside it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["same", "renamed", "different", "missing"]

OTHERS: Final = "prefect"
OURS: Final = "towpath"
_UNKNOWN: Final = "it isn't known here: look for it in docs/coming-from-prefect.md"


@dataclass(frozen=True, slots=True)
class Name:
    """What stands for a name of Prefect."""

    kind: Kind
    target: str = ""
    """The whole name in Towpath; empty if it is missing."""
    note: str = ""
    """What differs, or what to do instead."""


@dataclass(frozen=True, slots=True)
class Module:
    """What stands for a module of Prefect."""

    to: str
    """The module of Towpath; empty if there is none."""
    instead: str
    names: Mapping[str, Name]


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that names.toml says."""

    modules: Mapping[str, Module]
    options: Mapping[str, str]
    methods: Mapping[str, str]
    task_methods: Mapping[str, str]
    variables: Mapping[str, str]
    variables_by_hand: Mapping[str, str]
    loggers: Mapping[str, str]

    def name(self, whole: str) -> Name | None:
        """Returns what stands for a name such as prefect.states.Completed, if it is listed."""
        module, _, name = whole.rpartition(".")
        listed = self.modules.get(module)
        return listed.names.get(name) if listed else None

    def method(self, owner: str, name: str) -> str:
        """Returns what to do instead of a method of Task or Flow; empty if it isn't listed."""
        own = self.task_methods.get(name, "") if owner == "Task" else ""
        return own or self.methods.get(name, "")

    def modules_for(self, ours: str) -> Iterator[Module]:
        """Returns what is known of the modules that a module of Towpath stands for."""
        namesake = OTHERS + ours.removeprefix(OURS)
        if namesake in self.modules:
            yield self.modules[namesake]
        for name, module in self.modules.items():
            if module.to == ours and name != namesake:
                yield module

    def module(self, whole: str) -> Module | None:
        """Returns what stands for a module, if it is listed."""
        return self.modules.get(whole)

    def missing(self, whole: str) -> Name:
        """Returns what to do about a name or a module that isn't listed."""
        above = whole
        while above:
            listed = self.modules.get(above)
            if listed and listed.instead:
                return Name("missing", note=listed.instead)
            above = above.rpartition(".")[0]
        return Name("missing", note=_UNKNOWN)


@cache
def prefect_names() -> Names:
    """Returns the names of names.toml, which is read once."""
    text = files("towpath._prefect_names").joinpath("names.toml").read_text(encoding="utf-8")
    content: dict[str, Any] = tomllib.loads(text)
    modules = {name: _module(table) for name, table in content.pop("modules").items()}
    return Names(modules=modules, **content)


def _module(table: Mapping[str, Any]) -> Module:
    to = str(table.get("to", ""))
    names = {name: Name("same", f"{to}.{name}") for name in str(table.get("same", "")).split()}
    renamed = table.get("renamed", {})
    different = table.get("different", {})
    names |= {name: Name("renamed", target) for name, target in renamed.items()}
    names |= {
        name: Name("different", renamed.get(name, f"{to}.{name}"), note)
        for name, note in different.items()
    }
    missing = table.get("missing", {})
    names |= {name: Name("missing", note=note) for name, note in missing.items()}
    return Module(to, str(table.get("instead", "")), names)
