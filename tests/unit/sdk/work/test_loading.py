"""Entrypoints: files and modules are imported, and errors name file and line."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest
from towpath._work.loading import LoadError, load_flow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLOW = "from towpath import flow\n\n@flow\ndef main():\n    return 1\n"


@pytest.fixture(autouse=True)
def imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forgets what a test has imported."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    importlib.invalidate_caches()
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def problem(entrypoint: str, folder: Path) -> str:
    with pytest.raises(LoadError) as raised:
        load_flow(entrypoint, folder)
    return str(raised.value)


@pytest.mark.parametrize("entrypoint", ["etl.py:main", "etl:main"])
def test_a_flow_of_a_file_or_module_is_found(tmp_path: Path, entrypoint: str):
    flow = load_flow(entrypoint, write(tmp_path, etl_py=FLOW))
    assert flow.name == "main"
    assert sys.path[0] == str(tmp_path)
    assert flow.fn.__module__ == "etl"


def test_a_file_in_a_folder_imports_what_is_beside_it(tmp_path: Path):
    text = f"from . import rules\nimport common\n{FLOW}"
    write(tmp_path, flows__etl_py=text, flows__rules_py="", flows__common_py="")
    flow = load_flow("flows/etl.py:main", tmp_path)
    assert flow.fn.__module__ == "flows.etl"
    assert sys.path[:2] == [str(tmp_path), str(tmp_path / "flows")]


def test_what_only_a_script_does_is_left_out(tmp_path: Path):
    text = f'{FLOW}\nif __name__ == "__main__":\n    raise AssertionError\n'
    assert load_flow("etl.py:main", write(tmp_path, etl_py=text)).name == "main"


def test_a_file_with_the_name_of_another_module_is_loaded_all_the_same(tmp_path: Path):
    flow = load_flow("queue.py:main", write(tmp_path, queue_py=FLOW))
    assert flow.fn.__code__.co_filename == str(tmp_path / "queue.py")


def test_a_file_whose_name_is_no_identifier_is_loaded(tmp_path: Path):
    (tmp_path / "my-flow.py").write_text(FLOW)
    assert load_flow("my-flow.py:main", tmp_path).name == "main"


def test_a_file_elsewhere_is_loaded(tmp_path: Path):
    write(tmp_path, elsewhere__etl_py=FLOW)
    here = tmp_path / "here"
    here.mkdir()
    assert load_flow(f"{tmp_path}/elsewhere/etl.py:main", here).name == "main"


def test_a_flow_in_a_class_is_found(tmp_path: Path):
    text = "from towpath import flow\nclass Jobs:\n    @staticmethod\n    @flow\n    def run():\n"
    write(tmp_path, etl_py=f"{text}        pass\n")
    assert load_flow("etl.py:Jobs.run", tmp_path).name == "run"


@pytest.mark.parametrize("entrypoint", ["etl.py", ":main", "etl.py:", ""])
def test_an_entrypoint_names_a_place_and_a_flow(tmp_path: Path, entrypoint: str):
    assert "path/file.py:flow" in problem(entrypoint, tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    assert problem("nope.py:main", tmp_path) == f"there is no file {tmp_path}/nope.py"


def test_a_module_that_is_not_there_is_named_with_where_it_was_looked_for(tmp_path: Path):
    said = problem("nope_at_all.etl:main", tmp_path)
    assert "No module named 'nope_at_all'" in said
    assert f"sys.path[0] is {tmp_path}" in said


def test_a_syntax_error_has_its_line(tmp_path: Path):
    said = problem("etl.py:main", write(tmp_path, etl_py="x = 1\ndef broken(:\n"))
    assert said.startswith(f"{tmp_path}/etl.py:2: SyntaxError: ")


def test_an_error_of_an_import_has_the_line_in_the_users_code(tmp_path: Path):
    write(tmp_path, etl_py=f"import rules\n{FLOW}", rules_py="\n\nimport not_there_at_all\n")
    said = problem("etl.py:main", tmp_path)
    assert said.startswith(f"{tmp_path}/rules.py:3: ModuleNotFoundError: ")
    assert f"sys.path[0] is {tmp_path}" in said


def test_an_import_that_ends_the_process_is_told(tmp_path: Path):
    said = problem("etl.py:main", write(tmp_path, etl_py=f"{FLOW}import sys\nsys.exit(0)\n"))
    assert said.startswith(f"{tmp_path}/etl.py:7: the import ends the process, sys.exit(0)")


def test_a_missing_flow_is_told_with_those_there_are(tmp_path: Path):
    said = problem("etl.py:nope", write(tmp_path, etl_py=FLOW))
    assert said == f"{tmp_path}/etl.py has no flow nope; flows in it: main"


def test_a_function_is_no_flow(tmp_path: Path):
    said = problem("etl.py:plain", write(tmp_path, etl_py="def plain(): pass\n"))
    assert said == f"{tmp_path}/etl.py: plain is a function, no flow: put @flow above it"
