"""Planted bugs of deployments, their runs from code, and scripts that serve."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_DEPLOY = "sdk/towpath/_deploy"
_TESTS = "tests/unit/sdk/deploy"
_SCHEMA = f"{_TESTS}/test_schema.py"
_RUNNING = f"{_TESTS}/test_running.py"
_CONTRACT = "tests/contract/work/test_deployments.py"

DEPLOY_BUGS = (
    PlantedBug(
        name="a-schema-shows-sensitive-defaults",
        file=f"{_DEPLOY}/schema.py",
        correct='    for keyword in ("default", "examples", "const", "enum"):\n',
        broken='    for keyword in ("examples", "const", "enum"):\n',
        caught_by=(
            f"{_SCHEMA}::test_a_sensitive_parameter_is_write_only_and_its_default_is_not_shown",
        ),
    ),
    PlantedBug(
        name="sensitive-arguments-are-deployed",
        file=f"{_DEPLOY}/checks.py",
        correct="        if name in hidden and not",
        broken="        if not hidden and not",
        caught_by=(
            f"{_TESTS}/test_to_deployment.py::test_a_sensitive_argument_is_a_secret_or_is_refused",
        ),
    ),
    PlantedBug(
        name="a-change-of-arguments-makes-another-schedule",
        file="sdk/towpath/_definitions/slugs.py",
        correct="if with_parameters else [rule]",
        broken="if schedule else [rule]",
        caught_by=(f"{_TESTS}/test_slugs.py::test_slugs_never_change",),
    ),
    PlantedBug(
        name="a-second-try-creates-a-second-run",
        file=f"{_DEPLOY}/running.py",
        correct='        "run_id": str(uuid_utils.uuid7()),\n',
        broken='        "run_id": "",\n',
        caught_by=(
            f"{_RUNNING}::test_a_server_that_is_away_for_a_moment_is_asked_again_for_the_same_run",
        ),
    ),
    PlantedBug(
        name="a-run-is-created-before-its-parent-is-known",
        file=f"{_DEPLOY}/running.py",
        correct="    flow_run.reporter.flush(_FLUSH_SECONDS)\n",
        broken="",
        caught_by=(f"{_TESTS}/test_running.py::test_within_a_flow_the_run_is_its_child",),
    ),
    PlantedBug(
        name="the-process-of-a-run-serves",
        file=f"{_DEPLOY}/serving.py",
        correct="    if loading or os.environ.get(_LEASE_VARIABLE):\n",
        broken="    if loading:\n",
        caught_by=(f"{_TESTS}/test_serving.py::test_the_process_of_a_run_serves_nothing",),
    ),
    PlantedBug(
        name="deployments-need-the-arguments-of-their-runs",
        file="service/towpath_service/work/application/revising.py",
        correct='check_parameters(partial, defaults, "deployment.parameters")',
        broken='check_parameters(schema, defaults, "deployment.parameters")',
        caught_by=(f"{_CONTRACT}::test_a_deployment_leaves_required_arguments_to_its_runs",),
    ),
)
