"""Rewrites the source of a program: its imports of Prefect, and the names that they give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import libcst as cst
from libcst.helpers import get_full_name_for_node
from libcst.metadata import MetadataWrapper

from towpath._prefect_names.table import OTHERS, OURS, Name, Names, prefect_names
from towpath.cli.migration.findings import Finder, Finding, Found, Use

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_QUICK: Final = re.compile(rb"prefect", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A program after its move."""

    source: bytes
    findings: tuple[Finding, ...] = ()


def rewrite(source: bytes) -> Rewritten:
    """Rewrites a program of Prefect.

    Args:
        source: The content of a file of Python.

    Raises:
        libcst.ParserSyntaxError: It isn't Python.
        UnicodeDecodeError: It doesn't have the encoding that it declares, or isn't UTF-8.
        LookupError: It declares an encoding that doesn't exist.
    """
    if not _QUICK.search(source):
        return Rewritten(source)
    wrapper = MetadataWrapper(cst.parse_module(source))
    finder = Finder(wrapper, prefect_names())
    wrapper.module.visit(finder)
    module = wrapper.module.visit(_Rewriter(finder, prefect_names()))
    return Rewritten(module.bytes, tuple(sorted(finder.found.findings)))


class _Rewriter(cst.CSTTransformer):
    def __init__(self, finder: Finder, names: Names) -> None:
        super().__init__()
        self._names = names
        self._finder = finder
        self._found = finder.found
        self._replaced: dict[cst.CSTNode, cst.BaseExpression] = {}
        self._aliased: set[str] = set()
        self._needed: set[str] = set()
        self._given: set[str] = set()
        self._depth = 0
        self._left = _names_left(self._found)
        self._plan()

    def _plan(self) -> None:
        """Decides what each use becomes."""
        for use in self._found.uses:
            name = use.name
            if name is None or not name.target:
                continue
            if use.in_full:
                self._replaced[use.node] = _dotted(name.target)
                self._needed.add(name.target.rpartition(".")[0])
            elif use.root == use.whole:
                new = name.target.rpartition(".")[2]
                if use.written == use.whole.rpartition(".")[2] != new and self._is_free(use, new):
                    self._replaced[use.node] = cst.Name(new)
            else:
                self._by_alias(use.node, use.written, use.root, name)

    def _is_free(self, use: Use, new: str) -> bool:
        """Whether a name can be renamed in the program; else the import gives it the old name."""
        old = use.written
        in_text = re.compile(rf"\b{re.escape(old)}\b")
        if new in self._found.bound or any(map(in_text.search, self._found.texts)):
            self._aliased.add(use.whole)
            return False
        return True

    def _by_alias(self, node: cst.CSTNode, written: str, root: str, name: Name) -> None:
        """A name below a module that an import has given, perhaps under another name."""
        module = self._names.module(root)
        alias = written.partition(".")[0]
        if module is not None and module.to and name.target.startswith(f"{module.to}."):
            new = f"{alias}{name.target.removeprefix(module.to)}"
            if new != written:
                self._replaced[node] = _dotted(new)
        else:
            self._finder.add(node, written, "missing", f"write {name.target}, and import it")

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Replaces the uses that were planned."""
        if original_node in self._replaced:
            new: Any = self._replaced[original_node]
            return new.with_changes(lpar=original_node.lpar, rpar=original_node.rpar)
        return super().on_leave(original_node, updated_node)

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Notes that what follows isn't executed when the program is loaded."""
        del node
        self._depth += 1

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        """Notes the end of the function."""
        del original_node
        self._depth -= 1
        return updated_node

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        """Renames variables of the environment, and loggers."""
        text = original_node.evaluated_value
        new = self._names.variables.get(str(text)) or self._names.loggers.get(str(text))
        if not isinstance(text, str) or new is None:
            return updated_node
        return updated_node.with_changes(value=updated_node.value.replace(text, new))

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> Any:
        """Gives each statement of a line what it becomes; a line of its own, if it had one."""
        parts = [self._statement(each) for each in original_node.body]
        if not any(parts):
            return updated_node
        if len(parts) == 1 and parts[0]:
            first, *others = parts[0]
            lines = [updated_node.with_changes(body=[first])]
            return cst.FlattenSentinel(
                [*lines, *(cst.SimpleStatementLine(body=[other]) for other in others)]
            )
        return updated_node.with_changes(body=_joined(parts, updated_node.body))

    def leave_SimpleStatementSuite(
        self, original_node: cst.SimpleStatementSuite, updated_node: cst.SimpleStatementSuite
    ) -> Any:
        """The same, for statements behind a colon."""
        parts = [self._statement(each) for each in original_node.body]
        return updated_node.with_changes(body=_joined(parts, updated_node.body))

    def _statement(self, statement: cst.BaseSmallStatement) -> list[cst.BaseSmallStatement]:
        """What an import becomes; nothing if it stays, or is none of Prefect."""
        if isinstance(statement, cst.Import):
            return self._import(statement)
        if isinstance(statement, cst.ImportFrom) and not statement.relative and statement.module:
            module = get_full_name_for_node(statement.module) or ""
            if module.partition(".")[0] == OTHERS:
                return self._import_from(statement, module)
        return []

    def _import(self, statement: cst.Import) -> list[cst.BaseSmallStatement]:
        ours: list[str] = []
        kept: list[cst.ImportAlias] = []
        for alias in statement.names:
            whole = get_full_name_for_node(alias.name) or ""
            if whole.partition(".")[0] != OTHERS:
                kept.append(alias)
                continue
            listed = self._names.module(whole)
            to = listed.to if listed else ""
            if alias.asname is not None and to:
                kept.append(alias.with_changes(name=_dotted(to)))
                continue
            if not to:
                advice = self._names.missing(whole).note
                self._finder.add(statement, whole, "missing", advice)
            stays = not to or any(self._stays(left, whole) for left in self._left)
            if stays:
                kept.append(alias)
            if to and (whole in self._used_in_full() or not stays):
                ours.append(to)
        more = sorted(self._needed - self._given - {OURS}) if ours else []
        if not self._depth:
            self._given |= {*ours, *more}
        if not ours and kept == list(statement.names):
            return []
        made: list[cst.BaseSmallStatement] = [
            cst.Import(names=[cst.ImportAlias(_dotted(each))])
            for each in dict.fromkeys([*ours, *more])
        ]
        if kept:
            last = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            made.insert(0, statement.with_changes(names=[*kept[:-1], last]))
        return made

    def _used_in_full(self) -> set[str]:
        """Modules of which a name that has a counterpart is written in full, and those above."""
        wholes = [use.whole for use in self._found.uses if use.in_full and _has_target(use.name)]
        return {above for whole in wholes for above in _above(whole)}

    @staticmethod
    def _stays(left: str, module: str) -> bool:
        return left == module or left.startswith(f"{module}.")

    def _import_from(self, statement: cst.ImportFrom, module: str) -> list[cst.BaseSmallStatement]:
        listed = self._names.module(module)
        if isinstance(statement.names, cst.ImportStar):
            if listed and listed.to:
                return [statement.with_changes(module=_dotted(listed.to))]
            self._finder.add(statement, module, "missing", self._names.missing(module).note)
            return []
        groups: dict[str, list[cst.ImportAlias]] = {}
        for alias in statement.names:
            target = self._imported(alias, f"{module}.{alias.name.value}")
            place, _, name = target.rpartition(".")
            groups.setdefault(place or module, []).append(
                self._renamed(alias, name, f"{module}.{alias.name.value}") if place else alias
            )
        if list(groups) == [module]:
            return []
        return [
            statement.with_changes(module=_dotted(place), names=_ended(statement, aliases))
            for place, aliases in groups.items()
        ]

    def _imported(self, alias: cst.ImportAlias, whole: str) -> str:
        """Where the imported name is in Towpath; empty if it is nowhere."""
        name = self._names.name(whole)
        listed = self._names.module(whole)
        if name is None and listed is not None and listed.to:
            return listed.to
        name = name or self._names.missing(whole)
        if name.note:
            self._finder.add(alias, whole, name.kind, name.note)
        return name.target

    def _renamed(self, alias: cst.ImportAlias, new: str, whole: str) -> cst.ImportAlias:
        old = str(alias.name.value)
        renamed = alias.with_changes(name=cst.Name(new))
        uses = [use for use in self._found.uses if use.whole == whole == use.root]
        is_module = self._names.name(whole) is None
        keeps = whole in self._aliased or is_module or not uses
        if old == new or alias.asname is not None or not keeps:
            return renamed
        return renamed.with_changes(asname=cst.AsName(cst.Name(old)))


def _names_left(found: Found) -> list[str]:
    """Names that are written in full and have no counterpart, or modules themselves."""
    return [use.whole for use in found.uses if use.in_full and not _has_target(use.name)]


def _has_target(name: Name | None) -> bool:
    return name is not None and bool(name.target)


def _above(whole: str) -> Iterable[str]:
    parts = whole.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts)))


def _dotted(name: str) -> cst.Name | cst.Attribute:
    above, _, last = name.rpartition(".")
    return cst.Attribute(_dotted(above), cst.Name(last)) if above else cst.Name(last)


def _ended(statement: cst.ImportFrom, aliases: Sequence[cst.ImportAlias]) -> list[cst.ImportAlias]:
    """The names of an import, of which the last ends as the last of the statement did."""
    assert not isinstance(statement.names, cst.ImportStar), "it has names"
    return [*aliases[:-1], aliases[-1].with_changes(comma=statement.names[-1].comma)]


def _joined(
    parts: Sequence[list[cst.BaseSmallStatement]], body: Sequence[cst.BaseSmallStatement]
) -> list[cst.BaseSmallStatement]:
    made: list[cst.BaseSmallStatement] = []
    for part, old in zip(parts, body, strict=True):
        made += part or [old]
    return made
