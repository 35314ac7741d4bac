"""Names that Prefect has and Towpath hasn't are refused with advice, as Python refuses names."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import pytest
import towpath
from towpath import flow, task
from towpath._prefect_names.refusals import AbsentModules
from towpath._prefect_names.table import prefect_names

NAMES = prefect_names()


def absent_names() -> list[tuple[str, str, str]]:
    """Module of Towpath, name and advice, for each name that is looked for in vain there."""
    found: dict[tuple[str, str], str] = {}
    for module in NAMES.modules.values():
        for name, known in module.names.items():
            if module.to and not hasattr(import_module(module.to), name):
                advice = known.note if known.kind == "missing" else f"it is {known.target}"
                found.setdefault((module.to, name), advice)
    return [(*place, advice) for place, advice in found.items()]


@pytest.mark.parametrize(("module", "name", "advice"), absent_names())
def test_an_absent_name_is_refused_with_its_advice(module: str, name: str, advice: str) -> None:
    with pytest.raises(ImportError) as imported:
        exec(f"from {module} import {name}", {})
    assert str(imported.value) == f"cannot import name {name!r} from {module!r}: {advice}"
    with pytest.raises(AttributeError) as read:
        getattr(import_module(module), name)
    assert str(read.value) == f"module {module!r} has no attribute {name!r}: {advice}"


def test_there_are_absent_names() -> None:
    assert len(absent_names()) > 30


@pytest.mark.parametrize("theirs", [name for name in NAMES.modules if name != "prefect"])
def test_an_absent_module_is_refused_with_its_advice(theirs: str) -> None:
    ours, known = theirs.replace("prefect", "towpath", 1), NAMES.modules[theirs]
    if known.to == ours:
        import_module(ours)
        return
    advice = f"what it has is in {known.to}" if known.to else known.instead
    with pytest.raises(ModuleNotFoundError) as raised:
        # Of `a.b`, which isn't there either, `a` is imported first.
        AbsentModules.find_spec(ours)
    assert str(raised.value) == f"No module named {ours!r}: {advice}"
    assert raised.value.name == ours


def test_programs_are_told_where_names_are() -> None:
    for line, advice in {
        "from towpath.blocks.system import Secret": "environment variable",
        "from towpath import get_client": "towpath.client.connect",
        "from towpath import events": "run_deployment",
        "import towpath.utilities.annotations": "it is internal to Prefect",
        # Python looks for nothing below a module that is no package.
        "from towpath.logging.loggers import get_run_logger": "'towpath.logging' is not a package",
    }.items():
        with pytest.raises(ImportError, match=advice):
            exec(line, {})


@pytest.mark.parametrize("name", ["delay", "apply_async", "serve", "create_run"])
def test_methods_of_tasks_that_are_absent_are_refused(name: str) -> None:
    @task
    def one() -> int:
        return 1

    assert not hasattr(one, name)
    advice = {**NAMES.methods, **NAMES.task_methods}[name]
    with pytest.raises(AttributeError) as raised:
        getattr(one, name)
    assert str(raised.value) == f"'Task' object has no attribute {name!r}: {advice}"


def test_methods_in_the_table_are_absent() -> None:
    @task
    def one() -> int:
        return 1

    names = {**NAMES.methods, **NAMES.task_methods}
    assert [name for name in names if hasattr(one, name)] == []
    assert [name for name in NAMES.methods if hasattr(flow(one.fn), name)] == []


def test_other_names_are_refused_as_always() -> None:
    with pytest.raises(AttributeError, match=r"^module 'towpath' has no attribute 'flows_'$"):
        _: Any = towpath.flows_
    with pytest.raises(ImportError, match=r"^cannot import name 'tsk' from 'towpath.tasks'"):
        exec("from towpath.tasks import tsk", {})
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'towpath.nothing'$"):
        import_module("towpath.nothing")


def test_nothing_is_read_before_a_name_is_refused() -> None:
    code = "import sys, towpath.tasks; assert 'towpath._prefect_names.table' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
