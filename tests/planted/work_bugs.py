"""The planted bugs of work: queue, leases and limits."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_WORK = "service/towpath_service/work"
_CLAIMING = f"{_WORK}/application/claiming.py"
_CLAIMS = "tests/contract/work/test_claims.py"
_PAUSED = "tests/contract/work/test_paused_workers.py"
_LEASES = "tests/contract/work/test_lease_work.py"
_REMAINS = "tests/unit/sdk/work/test_remains.py"
_SCHEDULER = "tests/contract/work/test_scheduler.py"
_RESTING = "tests/unit/service/work/test_resting_workers.py"

WORK_BUGS = (
    PlantedBug(
        name="leases-are-counted-without-the-lock",
        file=_CLAIMING,
        correct="dispatch.limits.lock({",
        broken="dispatch.limits.read({",
        caught_by=(f"{_CLAIMS}::test_many_claimers_never_exceed_a_limit",),
    ),
    PlantedBug(
        name="entries-go-without-a-lease",
        file=_CLAIMING,
        correct="    jobs = dispatch.grant(leases, workers.keys() | cancelled.keys())\n",
        broken="    dispatch.queue.remove(workers.keys() | cancelled.keys())\n    jobs = {}\n",
        caught_by=(f"{_CLAIMS}::test_a_claim_leases_a_run_and_takes_it_out_of_the_queue",),
    ),
    PlantedBug(
        name="leased-runs-stay-queued",
        file=_CLAIMING,
        correct="    jobs = dispatch.grant(leases, workers.keys() | cancelled.keys())\n",
        broken="    jobs = dispatch.grant(leases, ())\n",
        caught_by=(f"{_CLAIMS}::test_a_claim_leases_a_run_and_takes_it_out_of_the_queue",),
    ),
    PlantedBug(
        name="the-fence-stays",
        file=_CLAIMING,
        correct="    run.fence += 1\n",
        broken="    run.fence = 1\n",
        caught_by=(f"{_LEASES}::test_a_report_of_an_earlier_lease_is_refused",),
    ),
    PlantedBug(
        name="streams-that-were-left-claim-runs",
        file=_CLAIMING,
        correct=" or row.attachment != bidder.attachment",
        broken="",
        caught_by=(f"{_CLAIMS}::test_a_stream_that_is_not_the_newest_claims_nothing",),
    ),
    PlantedBug(
        name="a-restart-resumes-a-paused-worker",
        file=f"{_WORK}/application/attaching.py",
        correct="        paused=before is not None and before.paused,\n",
        broken="        paused=before is not None and same and before.paused,\n",
        caught_by=(f"{_PAUSED}::test_a_pause_holds_for_the_next_stream_and_the_next_process",),
    ),
    PlantedBug(
        name="claims-pass-over-pauses",
        file=_CLAIMING,
        correct=" and not row.paused",
        broken="",
        caught_by=(f"{_PAUSED}::test_a_claim_finds_a_pause_that_its_replica_has_not_heard_of",),
    ),
    PlantedBug(
        name="expired-leases-lose-their-runs",
        file=f"{_WORK}/application/settling.py",
        correct="    dispatch.queue.put_back(expired, 0)\n",
        broken="",
        caught_by=(
            f"{_LEASES}::test_a_lease_that_nobody_accepts_returns_to_the_queue_in_five_seconds",
        ),
    ),
    PlantedBug(
        name="parked-runs-stay-parked",
        file=f"{_WORK}/storage/lease_moves.py",
        correct="    queue.unpark(freed_by(freed), now_us)\n",
        broken="",
        caught_by=(f"{_LEASES}::test_a_report_of_the_end_gives_the_slot_to_the_next_at_once",),
    ),
    PlantedBug(
        name="ended-runs-take-up-slots",
        file=f"{_WORK}/storage/lease_moves.py",
        correct="lease.counts and not move.ended",
        broken="lease.counts",
        caught_by=(f"{_LEASES}::test_a_lease_goes_from_grant_to_its_end",),
    ),
    PlantedBug(
        name="silence-of-the-worker-alone-ends-a-run",
        file=f"{_WORK}/storage/lease_rows.py",
        correct="    .where(or_(_run.state.in_(_WITHOUT_PROCESS), ~_HEARD))\n",
        broken="    .where(or_(_run.state.in_(_WITHOUT_PROCESS), ~_HEARD, True))\n",
        caught_by=(f"{_LEASES}::test_a_run_lives_while_its_worker_or_its_producer_is_heard",),
    ),
    PlantedBug(
        name="time-without-a-service-counts",
        file=f"{_WORK}/application/lease_expiry.py",
        correct="                dispatch.leases.shift(now_us - before)\n",
        broken="",
        caught_by=(f"{_LEASES}::test_time_in_which_no_service_lived_is_made_up_for",),
    ),
    PlantedBug(
        name="workers-that-cannot-start-runs-get-the-next-at-once",
        file=f"{_WORK}/application/workers.py",
        correct=" and worker.rests_until <= now\n",
        broken="\n",
        caught_by=(f"{_RESTING}::test_a_resting_worker_bids_for_nothing_until_its_pause_is_over",),
    ),
    PlantedBug(
        name="used-slots-are-a-number-that-is-kept",
        file=f"{_WORK}/storage/claiming.py",
        correct="        return self._of_each(keys, lambda kind: kind.counts)\n",
        broken=(
            "        kept = vars(tables).setdefault('kept', {})\n"
            "        for key, used in self._of_each(keys, lambda kind: kind.counts).items():\n"
            "            kept[key] = max(used, kept.get(key, 0))\n"
            "        return dict(kept)\n"
        ),
        caught_by=(f"{_CLAIMS}::test_full_limits_park_runs_and_their_slots_are_given_on",),
    ),
    PlantedBug(
        name="the-output-of-a-killed-run-is-recorded-by-each-worker-anew",
        file="sdk/towpath/_work/last_output.py",
        correct='uuid.uuid5(uuid.NAMESPACE_URL, f"towpath:output:{lease_id}")',
        broken="uuid.uuid4()",
        caught_by=(
            f"{_REMAINS}::test_the_last_output_of_a_killed_run_is_recorded_in_order_and_once",
        ),
    ),
    PlantedBug(
        name="due-times-are-decided-without-their-key",
        file=f"{_WORK}/storage/slots.py",
        correct="        insert_rows(self._connection, schedule_slot, [_slot_row",
        broken=(
            "        from towpath_service.database.sql.bulk import upsert_rows\n"
            "        names = tuple(schedule_slot.c.keys())\n"
            "        upsert_rows(self._connection, schedule_slot, names, [_slot_row"
        ),
        caught_by=(f"{_SCHEDULER}::test_a_due_time_that_is_decided_gets_no_second_run",),
    ),
)
