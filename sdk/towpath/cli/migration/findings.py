"""What a program of Prefect uses, and what is left of it to do by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import (
    MetadataWrapper,
    PositionProvider,
    QualifiedName,
    QualifiedNameProvider,
    QualifiedNameSource,
)

from towpath._prefect_names.table import OTHERS, Name, Names

VARIABLE: Final = re.compile(r"PREFECT_[A-Z][A-Z0-9_]*")
_DOTTED: Final = re.compile(rf"{OTHERS}(\.\w+)+")
_INTEGRATION: Final = re.compile(rf"{OTHERS}_[a-z]\w*")
_CALLED_WITH_OPTIONS: Final = frozenset(
    f"{module}.{name}" for module in ("prefect", "prefect.flows") for name in ("flow", "Flow")
) | frozenset(
    f"{module}.{name}" for module in ("prefect", "prefect.tasks") for name in ("task", "Task")
)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that is left to do by hand, or to look at."""

    line: int
    name: str
    """What the line uses, as Prefect calls it."""
    kind: str
    """Whether it is "missing", or there and "different"."""
    advice: str


@dataclass(slots=True)
class Use:
    """A place that uses a name or a module of Prefect."""

    node: cst.BaseExpression
    """The part of the expression that stands for the name."""
    whole: str
    """The whole name, such as prefect.states.Completed."""
    written: str
    """How the place writes it, such as states.Completed."""
    name: Name | None
    """What stands for the name; None for a module."""

    @property
    def root(self) -> str:
        """The whole name of what is bound to the first word that is written."""
        return self.whole.removesuffix(self.written.partition(".")[2]).rstrip(".")

    @property
    def in_full(self) -> bool:
        """Whether the place writes the whole name, as after `import prefect`."""
        return self.whole == self.written


@dataclass(slots=True)
class Found:
    """What a program of Prefect uses."""

    uses: list[Use] = field(default_factory=list[Use])
    findings: set[Finding] = field(default_factory=set[Finding])
    bound: set[str] = field(default_factory=set[str])
    """Every name that the program has anywhere."""
    texts: list[str] = field(default_factory=list[str])
    """String literals."""


class Finder(cst.CSTVisitor):
    """Finds every use of Prefect's names, except for the imports themselves."""

    def __init__(self, wrapper: MetadataWrapper, names: Names) -> None:
        """Finds nothing yet."""
        super().__init__()
        self._names = names
        self.found = Found()
        self._places = wrapper.resolve(PositionProvider)
        self._whole = wrapper.resolve(QualifiedNameProvider)

    def visit_Import(self, node: cst.Import) -> bool:
        """Leaves imports to the rewriter, except for what they say of integrations."""
        for alias in node.names:
            self._integration(node, get_full_name_for_node(alias.name) or "")
            self._bind(alias)
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        """The same."""
        if node.module is not None and not node.relative:
            self._integration(node, get_full_name_for_node(node.module) or "")
        if not isinstance(node.names, cst.ImportStar):
            for alias in node.names:
                self._bind(alias)
        return False

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        """Takes a whole chain of names at once."""
        if node.attr.value in self._names.methods and self._qualified(node) is None:
            advice = f"if this is a task: {self._names.methods[node.attr.value]}"
            self.add(node, f".{node.attr.value}", "missing", advice)
        if self._use(node):
            return False
        node.value.visit(self)
        return False

    def visit_Name(self, node: cst.Name) -> None:
        """Takes a name that stands alone."""
        self.found.bound.add(node.value)
        self._use(node)

    def visit_Call(self, node: cst.Call) -> None:
        """Looks at the options of flows and tasks."""
        called = self._qualified(node.func) or ""
        is_copied = isinstance(node.func, cst.Attribute) and node.func.attr.value == "with_options"
        if called not in _CALLED_WITH_OPTIONS and not is_copied:
            return
        for argument in node.args:
            word = argument.keyword.value if argument.keyword else ""
            if word in self._names.options:
                self.add(argument, f"{word}=", "missing", self._names.options[word])

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Looks for names in texts: variables of the environment, loggers, what mocks replace."""
        text = node.evaluated_value
        if not isinstance(text, str):
            return
        self.found.texts.append(text)
        if text in self._names.variables or text in self._names.loggers:
            return
        if VARIABLE.fullmatch(text):
            advice = self._names.variables_by_hand.get(
                text, "`towpath config view` lists the settings"
            )
            self.add(node, text, "missing", advice)
        elif _DOTTED.fullmatch(text):
            self.add(node, text, "missing", "a text names it: write what stands for it")

    def add(self, node: cst.CSTNode, name: str, kind: str, advice: str) -> None:
        """Adds something that is left to do."""
        line = self._places[node].start.line
        self.found.findings.add(Finding(line, name, kind, advice))

    def _bind(self, alias: cst.ImportAlias) -> None:
        bound = alias.asname.name if alias.asname else alias.name
        self.found.bound.add((get_full_name_for_node(bound) or "").partition(".")[0])

    def _integration(self, node: cst.CSTNode, module: str) -> None:
        if _INTEGRATION.fullmatch(module.partition(".")[0]):
            advice = "it is an integration: use the library that it wraps"
            self.add(node, module, "missing", advice)

    def _qualified(self, node: cst.CSTNode) -> str | None:
        """The whole name of what an expression stands for, if an import of Prefect gave it."""
        found: Any = self._whole.get(node, ())
        names: Any = found() if callable(found) else found
        each: QualifiedName
        for each in names:
            imported = each.source is QualifiedNameSource.IMPORT
            if imported and each.name.partition(".")[0] == OTHERS:
                return each.name
        return None

    def _use(self, node: cst.Name | cst.Attribute) -> bool:
        """Takes the longest part of a chain of names that is listed."""
        whole = self._qualified(node)
        written = get_full_name_for_node(node)
        if whole is None or written is None:
            return False
        part: cst.BaseExpression = node
        after = ""
        while self._names.name(whole) is None and self._names.module(whole) is None:
            if not isinstance(part, cst.Attribute):
                self._take(part, whole, written, after)
                return True
            after = part.attr.value
            part = part.value
            whole, written = whole.rpartition(".")[0], written.rpartition(".")[0]
        self._take(part, whole, written, after)
        return True

    def _take(self, part: cst.BaseExpression, whole: str, written: str, after: str) -> None:
        name = self._names.name(whole)
        if name is None and (after or self._names.module(whole) is None):
            # A module is used for a name that isn't listed.
            whole, written = (f"{each}.{after}".rstrip(".") for each in (whole, written))
            name = self._names.missing(whole)
        use = Use(part, whole, written, name)
        self.found.uses.append(use)
        if name is None or use.root == whole:
            return  # The import tells.
        if name.note:
            self.add(part, whole, name.kind, name.note)
