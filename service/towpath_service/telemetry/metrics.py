"""The service's instruments: docs/observability.md lists them, and a test holds it to that.

No attribute of a metric ever names a run: there would be as many series as runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter, UpDownCounter

RPC_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
RUN_SECONDS: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 7200, 21600, 86400)
BATCH_SIZES: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruments:
    """The counters and histograms of the service."""

    rpc_duration: Histogram
    open_streams: UpDownCounter
    watch_lag: Histogram
    updates: Counter
    log_lines: Counter
    commit_size: Histogram
    commit_duration: Histogram
    commit_failures: Counter
    run_duration: Histogram
    run_errors: Counter
    system_errors: Counter
    transitions: Counter
    time_in_state: Counter
    time_by_cause: Counter
    slots: Counter
    schedule_lag: Histogram
    claims: Counter
    queue_wait: Histogram
    lease_expired: Counter
    limit_wait: Histogram
    cancel_duration: Histogram
    loop_failures: Counter
    statement_duration: Histogram


def make_instruments(meter: Meter) -> Instruments:
    """The instruments of a meter."""

    def seconds(name: str, text: str, bounds: tuple[float, ...] = RPC_SECONDS) -> Histogram:
        return meter.create_histogram(
            name, "s", text, explicit_bucket_boundaries_advisory=list(bounds)
        )

    return Instruments(
        rpc_duration=seconds(
            "rpc.server.call.duration", "Unary calls, and batches of ingestion streams."
        ),
        open_streams=meter.create_up_down_counter(
            "towpath.rpc.open_streams", "{stream}", "Streams that are open."
        ),
        watch_lag=seconds("towpath.watch.lag", "From a commit to its event on a watch."),
        updates=meter.create_counter(
            "towpath.ingest.updates", "{update}", "Updates by what became of them."
        ),
        log_lines=meter.create_counter("towpath.ingest.log_lines", "{line}", "Log lines stored."),
        commit_size=meter.create_histogram(
            "towpath.commit.transitions",
            "{transition}",
            "Transitions of a commit.",
            explicit_bucket_boundaries_advisory=list(BATCH_SIZES),
        ),
        commit_duration=seconds("towpath.commit.duration", "Transactions that write."),
        commit_failures=meter.create_counter(
            "towpath.commit.failures", "{commit}", "Transactions that were not committed."
        ),
        run_duration=seconds(
            "cicd.pipeline.run.duration", "Flow runs that ended, from start to end.", RUN_SECONDS
        ),
        run_errors=meter.create_counter(
            "cicd.pipeline.run.errors", "{error}", "Flow runs that failed, crashed or timed out."
        ),
        system_errors=meter.create_counter(
            "cicd.system.errors", "{error}", "Runs taken for crashed from their process's silence."
        ),
        transitions=meter.create_counter(
            "towpath.run.transitions", "{transition}", "Changes of runs' states."
        ),
        time_in_state=meter.create_counter(
            "towpath.run.time_in_state", "s", "Time that runs spent in states they left."
        ),
        time_by_cause=meter.create_counter(
            "towpath.run.time", "s", "Time that runs spent, by its cause."
        ),
        slots=meter.create_counter(
            "towpath.schedule.slots", "{slot}", "Due times of schedules by what was decided."
        ),
        schedule_lag=seconds(
            "towpath.schedule.lag", "From a due time to the creation of its run.", RUN_SECONDS
        ),
        claims=meter.create_counter("towpath.work.claims", "{run}", "Runs given to workers."),
        queue_wait=seconds(
            "towpath.queue.wait", "From when a run was ready to its claim.", RUN_SECONDS
        ),
        lease_expired=meter.create_counter(
            "towpath.work.lease_expired", "{lease}", "Leases that ended by silence."
        ),
        limit_wait=seconds(
            "towpath.limit.wait", "From a request for a limit's slots to their grant.", RUN_SECONDS
        ),
        cancel_duration=seconds(
            "towpath.cancel.duration",
            "From the request to cancel a flow run to its end.",
            RUN_SECONDS,
        ),
        loop_failures=meter.create_counter(
            "towpath.background.failures", "{failure}", "Background loops that failed."
        ),
        statement_duration=seconds("db.client.operation.duration", "Statements to the database."),
    )
