"""The whole trace of the example, through a server on PostgreSQL to a collector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from towpath._telemetry.ids import root_span_id, trace_id_of

from tests.telemetry.described import described, updates_of
from tests.telemetry.receiver import Receiver, Span
from tests.telemetry.running import run_pipeline
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    import pytest

GOLDEN = Path(__file__).with_name("golden")
UPDATES_OF_ETL = 20


def trace_of(receiver: Receiver, root_name: str) -> list[Span]:
    """All spans of the one trace whose root has a name."""
    [root] = receiver.named(root_name)
    return [span for span in receiver.spans if span.trace_id == root.trace_id]


def orchestrated(receiver: Receiver, root_name: str) -> int:
    """Updates of a run, and of those below it, that the service has told of."""
    if not receiver.named(root_name):
        return 0
    spans = trace_of(receiver, root_name)
    return sum(updates_of(span) for span in spans if span.name == "orchestrate")


def compare(name: str, spans: list[Span], receiver: Receiver, config: pytest.Config) -> None:
    """Holds a trace against its description; `--update-golden` writes it anew."""
    file = GOLDEN / f"{name}.txt"
    text = described(spans, receiver.spans)
    if config.getoption("--update-golden"):
        file.write_text(text)
    assert text == file.read_text()


def test_the_example_is_one_trace_with_one_root(
    tmp_path: Path, postgres_dsn: str, pytestconfig: pytest.Config
) -> None:
    with Receiver() as receiver:
        with serving(tmp_path, receiver.environment, "--database", postgres_dsn):
            ended = run_pipeline("etl", tmp_path, receiver.environment)
            assert ended.returncode == 1, ended.stderr
            receiver.wait_for(
                lambda got: orchestrated(got, "RUN etl") >= UPDATES_OF_ETL, "word of all updates"
            )
        spans = trace_of(receiver, "RUN etl")
        known = {span.span_id for span in spans}
        assert [span.name for span in spans if span.parent_id not in known] == ["RUN etl"]
        [root] = receiver.named("RUN etl")
        run_id = root.attributes["cicd.pipeline.run.id"]
        assert root.trace_id == f"{trace_id_of(run_id):032x}"
        assert root.span_id == f"{root_span_id(run_id):016x}"
        assert {span.resource["service.name"] for span in spans} == {
            "towpath-pipeline",
            "towpath-service",
        }
        compare("etl", spans, receiver, pytestconfig)


def test_a_killed_flow_still_has_its_root_and_attempt(
    tmp_path: Path, postgres_dsn: str, pytestconfig: pytest.Config
) -> None:
    with Receiver() as receiver:
        with serving(tmp_path, receiver.environment, "--database", postgres_dsn):
            ended = run_pipeline("killed", tmp_path, receiver.environment)
            assert ended.returncode == -9
            receiver.wait_for(lambda got: got.named("RUN killed"), "root of the killed run")
        spans = trace_of(receiver, "RUN killed")
        made = [span for span in spans if span.name in {"RUN killed", "attempt"}]
        assert {span.resource["service.name"] for span in made} == {"towpath-service"}
        compare("killed", made, receiver, pytestconfig)


def test_commits_and_their_statements_are_linked_to_the_batches_they_are_of(
    tmp_path: Path, postgres_dsn: str
) -> None:
    with Receiver() as receiver:
        with serving(tmp_path, receiver.environment, "--database", postgres_dsn):
            assert not run_pipeline("fine", tmp_path, receiver.environment).returncode
            receiver.wait_for(lambda got: got.named("RUN fine"), "root")
        by_id = {span.span_id: span for span in receiver.spans}
        told = receiver.named("orchestrate")[-1]
        [session] = told.links
        batch = by_id[session.span_id]
        # A commit takes several batches on a busy machine, and links to each.
        commits = {
            commit.span_id
            for commit in receiver.named("commit")
            if batch.span_id in {link.span_id for link in commit.links}
        }
        assert commits
        statements = [span for span in receiver.spans if span.parent_id in commits]
        assert statements
        assert {span.attributes["db.system.name"] for span in statements} == {"postgresql"}
        assert all(span.kind == "CLIENT" for span in statements)


def test_a_client_without_telemetry_has_its_runs_root_made_by_the_service(tmp_path: Path) -> None:
    with Receiver() as receiver:
        with serving(tmp_path, receiver.environment):
            assert not run_pipeline("fine", tmp_path, {}).returncode
            receiver.wait_for(lambda got: got.named("RUN fine"), "root")
        spans = trace_of(receiver, "RUN fine")
        assert sorted(span.name for span in spans) == ["RUN fine", "attempt"]
        [root] = receiver.named("RUN fine")
        assert root.trace_id == f"{trace_id_of(root.attributes['cicd.pipeline.run.id']):032x}"
        assert root.status == "UNSET"
