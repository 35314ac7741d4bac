"""The converter rewrites imports and names, and lists by line what has no counterpart."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
from towpath.cli.migration.rewriting import rewrite

PROGRAMS = Path(__file__).resolve().parents[4] / "examples" / "prefect" / "programs"


def moved(text: str) -> str:
    return rewrite(textwrap.dedent(text).encode()).source.decode()


def left(text: str) -> list[tuple[int, str, str]]:
    return [
        (each.line, each.name, each.kind)
        for each in rewrite(textwrap.dedent(text).encode()).findings
    ]


@pytest.mark.parametrize("program", sorted(PROGRAMS.glob("*.py")), ids=lambda path: path.stem)
def test_a_program_of_prefect_becomes_the_one_of_towpath(program: Path) -> None:
    ours = program.read_text(encoding="utf-8")
    theirs = re.sub(r"(?m)^(\s*)from towpath", r"\1from prefect", ours)
    assert theirs != ours
    result = rewrite(theirs.encode())
    assert result.source.decode() == ours
    assert not [each for each in result.findings if each.kind == "missing"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("from prefect import flow, task as job\n", "from towpath import flow, task as job\n"),
        ("import prefect\nprefect.flow(f)\n", "import towpath\ntowpath.flow(f)\n"),
        (
            "import prefect as p\n@p.task\ndef f(): ...\n",
            "import towpath as p\n@p.task\ndef f(): ...\n",
        ),
        (
            "import prefect.states as s\nx = s.Completed()\n",
            "import towpath.states as s\nx = s.Completed()\n",
        ),
        (
            "import prefect.runtime\nprefect.runtime.flow_run.id\n",
            (
                "import towpath.runtime\nimport towpath.runtime.flow_run\n"
                "towpath.runtime.flow_run.id\n"
            ),
        ),
        ("from prefect import *\n", "from towpath import *\n"),
        (
            "from prefect import runtime\nruntime.flow_run.name\n",
            "from towpath import runtime\nruntime.flow_run.name\n",
        ),
        (
            "from prefect import docker\ndocker.DockerImage('a')\n",
            "from towpath import deployments as docker\ndocker.DockerImage('a')\n",
        ),
        (
            "from prefect.utilities.annotations import quote\n",
            "from towpath.annotations import quote\n",
        ),
        (
            (
                "from prefect.testing.utilities import prefect_test_harness\n"
                "\nwith prefect_test_harness():\n    pass\n"
            ),
            "from towpath.testing import harness\n\nwith harness():\n    pass\n",
        ),
        ("if a: import prefect; b()\n", "if a: import towpath; b()\n"),
        ("import os, prefect\n", "import os\nimport towpath\n"),
        ("x = getenv('PREFECT_HOME')\n", "x = getenv('TOWPATH_HOME')\n"),
        (
            "import logging, prefect\nlogging.getLogger('prefect.flow_runs')\n",
            "import logging\nimport towpath\nlogging.getLogger('towpath.runs')\n",
        ),
    ],
)
def test_imports_and_names_are_rewritten(theirs: str, ours: str) -> None:
    assert moved(theirs) == ours
    assert moved(ours) == ours


def test_comments_parentheses_and_line_ends_stay() -> None:
    theirs = (
        b"# one\r\nfrom prefect import (  # two\r\n    flow,  # three\r\n    task,\r\n)  # four\r\n"
    )
    assert rewrite(theirs).source == theirs.replace(b"prefect", b"towpath")


def test_a_name_without_counterpart_stays_behind() -> None:
    theirs = """\
        from prefect import (
            flow,
            get_client,
            task,
        )
    """
    ours = """\
        from towpath import (
            flow,
            task,
        )
        from prefect import (
            get_client,
        )
    """
    assert moved(theirs) == textwrap.dedent(ours)
    assert left(theirs) == [(3, "prefect.get_client", "missing")]


def test_both_modules_are_imported_where_both_are_used() -> None:
    theirs = "import prefect\n\nprefect.flow(f)\nprefect.get_client()\n"
    ours = "import prefect\nimport towpath\n\ntowpath.flow(f)\nprefect.get_client()\n"
    assert moved(theirs) == ours
    assert moved(ours) == ours


@pytest.mark.parametrize("kept", ["TowpathError = 1\n", "def f() -> 'PrefectException': ...\n"])
def test_a_renamed_name_keeps_its_old_name_where_the_new_one_cannot_stand(kept: str) -> None:
    theirs = f"from prefect.exceptions import PrefectException\n\n{kept}x = PrefectException\n"
    assert moved(theirs) == theirs.replace(
        "prefect.exceptions import PrefectException",
        "towpath.exceptions import TowpathError as PrefectException",
    )


def test_a_name_of_the_program_itself_stays() -> None:
    theirs = """\
        from prefect.cache_policies import NONE

        def f(NONE):
            return NONE

        x = NONE
    """
    ours = theirs.replace(
        "prefect.cache_policies import NONE", "towpath.cache_policies import NO_CACHE"
    )
    assert moved(theirs) == textwrap.dedent(ours.replace("x = NONE", "x = NO_CACHE"))


def test_what_is_left_is_listed_by_line() -> None:
    theirs = """\
        import os
        from prefect import task
        from prefect.assets import materialize
        from prefect.server import models
        from prefect.blocks.system import Secret
        from prefect_aws import S3Bucket
        from prefect.states import Nothing

        os.environ["PREFECT_API_URL"] = "http://here"

        @task(cache_policy=None, asset_deps=["a"])
        def work(): ...

        work.delay(1)
        patch("prefect.variables.Variable.get")
    """
    assert left(theirs) == [
        (3, "prefect.assets.materialize", "missing"),
        (4, "prefect.server.models", "missing"),
        (5, "prefect.blocks.system.Secret", "different"),
        (6, "prefect_aws", "missing"),
        (7, "prefect.states.Nothing", "missing"),
        (9, "PREFECT_API_URL", "missing"),
        (11, "asset_deps=", "missing"),
        (14, ".delay", "missing"),
        (15, "prefect.variables.Variable.get", "missing"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "from prefect.assets import Asset\n",
        "import prefect\nprint(prefect.__version__)\n",
        "import prefect.server\nprefect.server.x\n",
        "from .prefect import flow\n",
        "from prefect_aws import x\n",
        "prefect = 1\nprefect.flow\n",
        "'''About prefect.'''\n",
    ],
)
def test_what_has_no_counterpart_stays_as_it_is(text: str) -> None:
    assert moved(text) == text


def test_code_without_prefect_is_not_parsed() -> None:
    assert rewrite(b"def (:\n").source == b"def (:\n"


def test_the_declared_encoding_stays() -> None:
    theirs = "# coding: latin-1\nfrom prefect import flow\nx = 'é'\n".encode("latin-1")
    assert rewrite(theirs).source == theirs.replace(b"prefect", b"towpath")


def test_a_byte_order_mark_stays() -> None:
    theirs = b"\xef\xbb\xbffrom prefect import flow\n"
    assert rewrite(theirs).source == theirs.replace(b"prefect", b"towpath")
