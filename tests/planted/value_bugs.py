"""The planted bugs of variables and artifacts."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_VALUES = "service/towpath_service/values"
_VARIABLES = "tests/contract/values/test_variables.py"

_ARTIFACTS = "tests/contract/runs/test_artifacts.py"
_SDK = "tests/unit/sdk/values/test_artifacts.py"

VALUE_BUGS = (
    PlantedBug(
        name="an-artifact-is-replaced-by-runs-of-another-tree",
        file="service/towpath_service/runs/storage/artifacts.py",
        correct="elif known.root_run_id == artifact.root_run_id:",
        broken="else:",
        caught_by=(f"{_ARTIFACTS}::test_a_report_of_a_known_artifact_replaces_its_content",),
    ),
    PlantedBug(
        name="artifacts-show-secrets",
        file="sdk/towpath/_values/artifacts.py",
        correct="data = secrets.text(content).encode()",
        broken="data = content.encode()",
        caught_by=(f"{_SDK}::test_secrets_stay_out_of_artifacts",),
    ),
    PlantedBug(
        name="variables-are-changed-without-the-lock",
        file=f"{_VALUES}/storage/variables.py",
        correct="asked.with_for_update() if lock else asked",
        broken="asked",
        caught_by=(f"{_VARIABLES}::test_of_changes_at_once_by_one_etag_one_is_made",),
    ),
    PlantedBug(
        name="a-change-of-a-variable-makes-it",
        file=f"{_VALUES}/application/variables.py",
        correct="if not change.allow_missing or change.etag or change.value_json is None:",
        broken="if change.value_json is None:",
        caught_by=(f"{_VARIABLES}::test_a_change_creates_only_where_it_says_so",),
    ),
    PlantedBug(
        name="what-a-variable-holds-is-taken-for-a-name",
        file="sdk/towpath/_work/entry.py",
        correct='return self.variable(whole["variable"])',
        broken='return self.resolved(self.variable(whole["variable"]))',
        caught_by=(
            "tests/unit/sdk/work/test_entry.py::test_variables_are_resolved_with_their_kind",
        ),
    ),
)
