"""Project files: `towpath.yaml` and `prefect.yaml`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from towpath._definitions.code_sources import GitCode, LocalCode
from towpath._deploy.project_file import find_project_file, read_project_file
from towpath._deploy.template import TEMPLATE
from towpath.exceptions import DefinitionError
from towpath.schedules import Cron, Interval

if TYPE_CHECKING:
    from pathlib import Path

    from towpath._deploy.plans import WrittenDeployment

PREFECT = """\
name: pipelines
prefect-version: 3.4.0
build: null
push: null
pull:
- prefect.deployments.steps.git_clone:
    id: clone-step
    repository: https://git.example.org/team/pipelines.git
    branch: main
    access_token: "{{ prefect.blocks.secret.git-token }}"
- prefect.deployments.steps.set_working_directory:
    directory: "{{ clone-step.directory }}/flows"
- prefect.deployments.steps.pip_install_requirements:
    directory: "{{ clone-step.directory }}"
    requirements_file: requirements.txt
definitions:
  pool: &pool
    name: local
    work_queue_name: urgent
    job_variables: {env: {STAGE: "{{ $STAGE }}"}}
deployments:
- name: nightly
  version: 1.5
  tags: [etl]
  description: Loads.
  entrypoint: etl.py:etl
  parameters: {day: 2026-12-01, n: "{{ prefect.variables.n_of-days }}"}
  concurrency_limit: {limit: 2, collision_strategy: CANCEL_NEW}
  work_pool:
    <<: *pool
    work_queue_name: null
  schedules:
  - cron: 0 2 * * *
    timezone: Europe/London
    day_or: true
    slug: daily
    parameters: {n: 4}
    active: false
  - interval: 3600
    anchor_date: 2026-01-01T00:00:00Z
- name: often
  entrypoint: etl.py:etl
  pull: null
  schedule: {interval: 60, overlap: skip}
"""


def read(folder: Path, text: str, name: str = "towpath.yaml") -> list[WrittenDeployment]:
    path = folder / name
    path.write_text(text, "utf-8")
    return list(read_project_file(path))


def test_a_file_of_prefect_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAGE", "test")
    nightly, often = read(tmp_path, PREFECT, "prefect.yaml")
    assert (nightly.name, nightly.entrypoint) == ("nightly", "etl.py:etl")
    assert nightly.pull.code == GitCode(
        url="https://git.example.org/team/pipelines.git",
        ref="main",
        directory="flows",
        credential_secret="git-token",
    )
    assert "install requirements.txt where the worker runs" in nightly.pull.notes[0]
    assert (nightly.pool, nightly.queue) == ("local", "")
    assert nightly.values == {
        "version": "1.5",
        "tags": ["etl"],
        "description": "Loads.",
        "parameters": {"day": "2026-12-01", "n": "{{ variables.n_of-days }}"},
        "concurrency_limit": 2,
        "collision_strategy": "cancel_new",
        "job_variables": {"env": {"STAGE": "test"}},
    }
    assert nightly.schedules is not None
    daily, hourly = nightly.schedules.values()
    assert daily == Cron(
        "0 2 * * *", timezone="Europe/London", slug="daily", parameters={"n": 4}, active=False
    )
    assert hourly == Interval(3600, anchor_date=datetime(2026, 1, 1, tzinfo=UTC))
    assert often.pull.code == LocalCode(path=str(tmp_path))
    assert [*(often.schedules or {}).values()] == [Interval(60, overlap="skip")]


def test_the_file_of_towpath_is_preferred(tmp_path: Path) -> None:
    assert find_project_file(tmp_path) is None
    for name in ("prefect.yaml", "towpath.yaml"):
        (tmp_path / name).touch()
        assert find_project_file(tmp_path) == tmp_path / name


def test_the_template_is_a_project_file_and_so_is_what_it_shows(tmp_path: Path) -> None:
    assert read(tmp_path, TEMPLATE) == []
    shown = "\n".join(
        line if line.endswith(".") else line.replace("# ", "", 1) for line in TEMPLATE.splitlines()
    )
    [nightly] = read(tmp_path, shown)
    assert nightly.values["concurrency_limit"] == 1
    assert isinstance(nightly.pull.code, GitCode)
    assert yaml.safe_load(TEMPLATE) == {"deployments": None}


ONE = "deployments:\n- name: a\n  entrypoint: a.py:a\n"


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("deployments:\n- name: [a\n", 3, "expected"),
        ("- a\n", 1, "begins with `deployments:`"),
        ("deploymnts: []\n", 1, "did you mean 'deployments'"),
        ("deployments: 3\n", 1, "deployments is a list, not 3"),
        ("deployments: [3]\n", 1, "list of mappings"),
        ("deployments:\n- entrypoint: a.py:a\n", 2, "name is missing"),
        ("deployments:\n\n- name: a\n", 3, "entrypoint is missing"),
        (f"{ONE}  entrypint: x\n", 2, "did you mean 'entrypoint'"),
        (f"{ONE}  name: b\n", 4, "name is given twice"),
        (f"{ONE}- name: a\n  entrypoint: a.py:a\n", 2, "two deployments are named 'a'"),
        (f"{ONE}  tags: etl\n", 2, "tags is a list, not 'etl'"),
        (f"{ONE}  paused: 1\n", 2, "paused is true or false, not 1"),
        (f"{ONE}  concurrency_limit: true\n", 2, "concurrency_limit is a number, not True"),
        (f"{ONE}  triggers: [1]\n", 2, "triggers of a deployment are not supported"),
        (f"{ONE}  schedules:\n  - crn: x\n", 5, "one of cron, interval and rrule"),
        (f"{ONE}  schedules:\n  - cron: '* * * *'\n", 5, "has 4 fields"),
        (f"{ONE}  schedules:\n  - cron: '@daily'\n    overlap: skp\n", 5, "did you mean 'skip'"),
        (f"{ONE}  schedules:\n  - interval: 5\n    anchor_date: then\n", 5, "anchor_date"),
        (f"{ONE}  schedule: {{interval: 5}}\n  schedules: [{{interval: 5}}]\n", 2, "not both"),
        (f"{ONE}  description: '{{{{ $TOWPATH_NOT_SET }}}}'\n", 4, "TOWPATH_NOT_SET is not set"),
        (f"{ONE}  description: '{{{{ build-image.tag }}}}'\n", 4, "placeholder 'build-image.tag'"),
        (f"pull:\n- run_shell_script: {{script: x}}\n{ONE}", 2, "step run_shell_script is not"),
        (f"pull:\n- git_clone: {{repo: x}}\n{ONE}", 2, "known: id, requires, repository"),
        (f"pull:\n- git_clone: {{repository: x, access_token: abc}}\n{ONE}", 2, "is a secret"),
        (f"pull:\n- git_clone: {{repository: x, branch: a, tag: b}}\n{ONE}", 2, "one of branch"),
        (f"pull: git_clone\n{ONE}", 3, "pull is a list of steps"),
    ],
)
def test_a_wrong_entry_is_named_by_file_and_line(
    tmp_path: Path, text: str, line: int, problem: str
) -> None:
    with pytest.raises(DefinitionError) as refused:
        read(tmp_path, text)
    assert str(refused.value).startswith(f"{tmp_path / 'towpath.yaml'}:{line}: ")
    assert problem in str(refused.value)


def test_a_token_in_the_file_is_not_repeated(tmp_path: Path) -> None:
    text = f"pull:\n- git_clone: {{repository: x, access_token: canary-7}}\n{ONE}"
    with pytest.raises(DefinitionError) as refused:
        read(tmp_path, text)
    assert "canary-7" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"missing\.yaml: No such file"):
        read_project_file(tmp_path / "missing.yaml")


STEPS = """\
- git_clone: {repository: r, include_submodules: true, directory: a}
- set_working_directory: {directory: b}
"""


@pytest.mark.parametrize(
    ("steps", "code"),
    [
        ("- set_working_directory: {directory: /opt/flows}", LocalCode(path="/opt/flows")),
        ("- git_clone: {repository: r, tag: v1}", GitCode(url="r", ref="v1")),
        (
            STEPS,
            GitCode(url="r", directory="a/b", submodules=True),
        ),
    ],
)
def test_steps_say_where_the_code_is(tmp_path: Path, steps: str, code: Any) -> None:
    [written] = read(tmp_path, f"pull:\n{steps}\n{ONE}")
    assert written.pull.code == code
