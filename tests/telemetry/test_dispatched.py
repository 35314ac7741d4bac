"""The trace of a run of a deployment, over service, worker and process; its metrics."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from towpath._settings.current import get_settings
from towpath._transport.opening import open_grpc
from towpath.client import Client, DeploymentSpec
from towpath.schedules import Interval

from tests.telemetry.documented import names_in_table
from tests.telemetry.receiver import Receiver
from tests.telemetry.running import PIPELINE, environment_of
from tests.telemetry.serving import serving

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.telemetry.receiver import Span


@contextmanager
def working(home: Path, receiver: Receiver) -> Generator[Client]:
    """A server and a worker that export to a receiver."""
    more = receiver.environment
    with serving(home, more) as server:
        transport = open_grpc(get_settings().__class__(home=home), server.address)
        client = Client(transport)
        client.pools.create("local", kind="process")
        worker = subprocess.Popen(
            [sys.executable, "-m", "towpath", "worker", "start", "--pool", "local"],
            cwd=PIPELINE.parent,
            env=environment_of(home, {**more, "TOWPATH_SERVER_ADDRESS": server.address}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield client
        finally:
            worker.terminate()
            worker.wait(30)
            transport.close()


def has_completed(number: int, receiver: Receiver) -> bool:
    results = [root.attributes["cicd.pipeline.result"] for root in receiver.named("RUN fine")]
    return results.count("success") >= number


def names_below(spans: list[Span], parent: str) -> set[str]:
    return {span.name for span in spans if span.parent_id == parent}


def test_a_run_of_a_deployment_is_one_trace_from_its_creation_to_its_tasks(
    tmp_path: Path,
) -> None:
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    spec = DeploymentSpec(entrypoint="pipeline.py:fine", flow_name="fine", pool="local")
    with Receiver() as receiver:
        with working(tmp_path, receiver) as client:
            client.deployments.deploy("fine/it", spec)
            alone = client.create_run("fine/it").id
            called = client.create_run("fine/it", traceparent=caller).id
            client.deployments.deploy("fine/timed", spec, {"soon": Interval(timedelta(seconds=1))})
            for number in (1, 2, 3):
                receiver.wait_for(partial(has_completed, number), f"{number} roots")
            client.deployments.delete("fine/timed")
        told = receiver.named("RUN fine")
        spans = list(receiver.spans)
        points = list(receiver.points)
    # The last one may have been in the queue when its deployment was deleted.
    ended = [root for root in told if root.attributes["cicd.pipeline.result"] == "success"]
    roots = {str(root.attributes["towpath.run.id"]): root for root in ended}
    assert len(roots) == len(ended) > 2
    assert roots[called].trace_id == caller[3:35]
    assert roots[called].parent_id == caller[36:52]
    assert not roots[alone].parent_id
    names = {span.span_id: span for span in spans}
    for run_id, root in roots.items():
        trace = [span for span in spans if span.trace_id == root.trace_id]
        below = names_below(trace, root.span_id) - {"orchestrate"}
        assert below == {"enqueue", "queue wait", "start", "attempt"}
        [attempt] = [span for span in trace if span.name == "attempt"]
        [flow] = [span for span in trace if span.parent_id == attempt.span_id]
        assert flow.name == "flow fine"
        assert "task extract" in names_below(trace, flow.span_id)
        [wait] = [span for span in trace if span.name == "queue wait"]
        [start] = [span for span in trace if span.name == "start"]
        moments = [root.start, wait.start, wait.end, start.start, flow.start]
        assert [at // 1000 for at in moments] == sorted(at // 1000 for at in moments)
        assert wait.attributes["towpath.deployment.name"] in {"fine/it", "fine/timed"}
        [to_claim] = wait.links
        claim = names[to_claim.span_id]
        assert claim.name == "claim"
        assert wait.span_id in {link.span_id for link in claim.links}
        [enqueue] = [span for span in trace if span.name == "enqueue"]
        creators = [names[link.span_id].name for link in enqueue.links]
        by_call = ["towpath.api.v1.RunService/CreateRun"]
        assert creators == (by_call if run_id in {alone, called} else [])
    emitted = {point.name: point for point in points}
    assert emitted.keys() <= names_in_table("Metrics")
    assert emitted["towpath.work.claims"].value >= 3
    waiting = {
        p.attributes["towpath.queue.state"] for p in points if p.name == "towpath.queue.depth"
    }
    assert waiting == {"ready", "parked", "later"}
