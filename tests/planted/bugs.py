"""The bugs that are planted, each with the tests that must catch it."""

from __future__ import annotations

from tests.planted.async_bugs import ASYNC_BUGS
from tests.planted.control_bugs import CONTROL_BUGS
from tests.planted.deploy_bugs import DEPLOY_BUGS
from tests.planted.identity_bugs import IDENTITY_BUGS
from tests.planted.input_bugs import INPUT_BUGS
from tests.planted.kubernetes_bugs import KUBERNETES_BUGS
from tests.planted.limit_bugs import LIMIT_BUGS
from tests.planted.pause_bugs import PAUSE_BUGS
from tests.planted.planting import PlantedBug
from tests.planted.retry_bugs import RETRY_BUGS
from tests.planted.telemetry_bugs import TELEMETRY_BUGS
from tests.planted.transaction_bugs import TRANSACTION_BUGS
from tests.planted.value_bugs import VALUE_BUGS
from tests.planted.work_bugs import WORK_BUGS

_COMMIT = "service/towpath_service/runs/application/commit.py"
_INGEST = "tests/contract/runs/test_commit.py"
_OUTBOX = "tests/unit/sdk/delivery/test_outbox.py"
_DELIVERY = "tests/unit/sdk/delivery"
_REFUSALS = f"{_DELIVERY}/test_refusals.py"
_STREAM = "tests/unit/sdk/delivery/test_stream.py"
_STREAMING = "tests/scenarios/test_stream_delivery.py"
_SYNCED = "tests/chaos/test_synced_before_ack.py"
_SHIM = "tests/unit/sdk/work/test_shim.py"
_CANCEL = "tests/unit/sdk/engine/test_requested_cancellation.py"
_ENVIRONMENT = "tests/unit/sdk/work/test_environment.py"
_KIND = "tests/unit/sdk/work/test_process_kind.py"
_MACHINE = "tests/unit/sdk/delivery/test_stream_machine.py::TestStreamMachine"

BUGS = (
    PlantedBug(
        name="duplicates-take-effect-again",
        file=_COMMIT,
        correct="if update.sequence <= producer.committed_sequence:",
        broken="if update.sequence < 0:",
        caught_by=(f"{_INGEST}::test_an_update_sent_again_takes_effect_once",),
    ),
    PlantedBug(
        name="watermark-is-not-moved",
        file=_COMMIT,
        correct="            producer.committed_sequence = update.sequence\n",
        broken="",
        caught_by=(f"{_INGEST}::test_an_update_sent_again_takes_effect_once",),
    ),
    PlantedBug(
        name="ack-without-commit",
        file="service/towpath_service/runs/application/committer.py",
        correct="                self._settle(portion, error)\n",
        broken=(
            "                self._settle(portion, Outcome(committed_sequence=9, refusals=()))\n"
        ),
        caught_by=(f"{_INGEST}::test_nothing_is_acknowledged_that_was_not_committed",),
    ),
    PlantedBug(
        name="refusals-are-not-stored",
        file=_COMMIT,
        correct="        self._changes.refusals.append(refusal)\n",
        broken="",
        caught_by=(f"{_INGEST}::test_a_refusal_is_told_until_it_is_confirmed",),
    ),
    PlantedBug(
        name="older-streams-commit",
        file=_COMMIT,
        correct="submission.epoch != producer.epoch",
        broken="submission.epoch > producer.epoch",
        caught_by=(f"{_INGEST}::test_an_older_stream_commits_nothing",),
    ),
    PlantedBug(
        name="watch-resumes-one-too-far",
        file="service/towpath_service/runs/storage/history_reads.py",
        correct="_transition.position > after\n",
        broken="_transition.position > after + 5\n",
        caught_by=(f"{_INGEST}::test_a_watch_resumed_anywhere_has_no_gap_and_no_repeat",),
        hangs=True,
    ),
    PlantedBug(
        name="stale-attempts-are-taken",
        file="service/towpath_service/runs/domain/decisions.py",
        correct="    if attempt < run.attempt:\n",
        broken="    if attempt < 0:\n",
        caught_by=("tests/unit/service/runs/test_decisions.py::test_an_older_attempt_is_refused",),
    ),
    PlantedBug(
        name="downstream-of-a-failure-runs",
        file="sdk/towpath/_engine/submissions.py",
        correct="        if failed:\n            _in_turn",
        broken="        if failed and not failed:\n            _in_turn",
        caught_by=(
            "tests/unit/sdk/engine/test_runs.py::test_what_is_downstream_of_a_failure_never_runs",
        ),
    ),
    PlantedBug(
        name="undelivered-segments-are-deleted",
        file="sdk/towpath/_delivery/segments.py",
        correct="if following <= acked + 1:",
        broken="if following <= acked + 10:",
        caught_by=(f"{_OUTBOX}::test_delivered_segments_go_and_the_rest_stays",),
    ),
    PlantedBug(
        name="whole-frames-broken-off-are-not-counted",
        file="sdk/towpath/_delivery/segments.py",
        correct="            if found == whole.size:\n",
        broken="            if found < 0:\n",
        caught_by=(
            (
                f"{_DELIVERY}/test_reports_broken_off.py"
                "::test_a_report_broken_off_anywhere_is_whole_or_not_there"
            ),
        ),
    ),
    PlantedBug(
        name="reports-are-struck",
        file="sdk/towpath/_strikes.py",
        correct="        self._before = target.switch(None)\n\n    def __exit__(self, kind",
        broken="        self._before = target.switch(target.way)\n\n    def __exit__(self, kind",
        caught_by=(
            (
                "tests/unit/sdk/engine/test_timeouts.py"
                "::test_a_strike_never_falls_on_what_is_spared_and_is_met_behind_it"
            ),
        ),
    ),
    PlantedBug(
        name="a-strike-falls-on-a-thread-that-is-spared-meanwhile",
        file="sdk/towpath/_strikes.py",
        correct="is not None and (self.decides or self._sent):",
        broken="is not None and self._sent:",
        caught_by=(
            (
                "tests/unit/sdk/engine/test_timeouts.py"
                "::test_a_strike_that_decides_as_its_thread_is_spared_does_not_fall_there"
            ),
        ),
    ),
    PlantedBug(
        name="children-call-the-hooks-of-their-parents-runs",
        file="sdk/towpath/_engine/attempts.py",
        correct="        if not hooks or self._context.silent:",
        broken="        if not hooks:",
        elsewhere=True,
        caught_by=(
            (
                f"{_DELIVERY}/test_forks.py"
                "::test_a_child_that_leaves_a_task_ends_neither_it_nor_the_flow_of_its_parent"
            ),
        ),
    ),
    PlantedBug(
        name="unusable-homes-fail-flows",
        file="sdk/towpath/_delivery/session.py",
        correct="        return Unrecorded(settings.home, error)\n",
        broken="        raise\n",
        elsewhere=True,
        caught_by=(
            (
                f"{_DELIVERY}/test_unusable_homes.py"
                "::test_a_home_that_cant_be_used_is_told_once_and_the_flow_runs"
            ),
        ),
    ),
    PlantedBug(
        name="one-refused-outbox-holds-up-the-others",
        file="sdk/towpath/_delivery/takeover.py",
        correct="            if concerns_all(error):\n",
        broken="            if error:\n",
        caught_by=(
            f"{_REFUSALS}::test_all_but_the_refused_ones_arrive_whatever_their_order",
            f"{_REFUSALS}::test_an_outbox_that_can_not_be_read_holds_up_none_and_is_named",
        ),
    ),
    PlantedBug(
        name="acks-into-a-removed-file",
        file="service/towpath_service/database/sqlite/connections.py",
        correct="                result = work(connection)\n            self._check()\n",
        broken="                result = work(connection)\n",
        caught_by=(
            (
                "tests/unit/service/database/test_same_files.py"
                "::test_work_during_which_the_files_change_is_not_reported_done"
            ),
        ),
    ),
    PlantedBug(
        name="slow-servers-count-as-away",
        file="sdk/towpath/_delivery/patience.py",
        correct="        return not self._listens\n",
        broken="        return True\n",
        caught_by=(
            (
                f"{_DELIVERY}/test_patience.py"
                "::test_a_child_whose_first_call_is_slow_ends_with_its_reports_delivered"
            ),
        ),
    ),
    PlantedBug(
        name="memory-has-no-bound",
        file="sdk/towpath/_delivery/memory.py",
        correct="                if self._size + len(frame) > self._most_bytes:\n",
        broken="                if len(frame) > self._most_bytes:\n",
        caught_by=(
            (
                f"{_DELIVERY}/test_memory.py"
                "::test_frames_wait_in_order_without_a_gap_and_within_the_bound"
            ),
        ),
    ),
    PlantedBug(
        name="imports-of-gone-threads-stay-locked",
        file="sdk/towpath/_forks.py",
        correct="    _give_up_imports()\n",
        broken="",
        elsewhere=True,
        caught_by=(
            (
                f"{_DELIVERY}/test_forks.py"
                "::test_a_child_imports_what_a_thread_of_its_parent_was_importing"
            ),
        ),
        hangs=True,
    ),
    PlantedBug(
        name="damaged-frames-are-delivered",
        file="sdk/towpath/_delivery/segments.py",
        correct="if not length or zlib.crc32(payload) != checksum:",
        broken="if checksum < 0:",
        caught_by=(f"{_OUTBOX}::test_a_flipped_byte_ends_what_is_read_and_is_told",),
    ),
    PlantedBug(
        name="lost-processes-stay-running",
        file="sdk/towpath/_delivery/takeover.py",
        correct="    if lost:\n",
        broken="    if lost and not lost:\n",
        caught_by=(f"{_OUTBOX}::test_runs_of_a_killed_process_are_reported_crashed",),
    ),
    PlantedBug(
        name="streams-resume-one-too-far",
        file="sdk/towpath/_delivery/backlog.py",
        correct="        self._go_to(start + 1)\n",
        broken="        self._go_to(start + 2)\n",
        caught_by=(
            f"{_STREAM}::test_after_a_lost_ack_the_next_stream_goes_on_at_the_servers_watermark",
            _MACHINE,
        ),
    ),
    PlantedBug(
        name="windows-are-overrun",
        file="sdk/towpath/_delivery/stream.py",
        correct="window.max_inflight_updates - sum(",
        broken="window.max_inflight_updates + 1 - sum(",
        caught_by=(
            f"{_STREAM}::test_several_batches_fly_at_once_and_no_more_than_the_window_allows",
            _MACHINE,
        ),
    ),
    PlantedBug(
        name="restored-servers-are-not-noticed",
        file="sdk/towpath/_delivery/couriers.py",
        correct="last_acked=backlog.first_kept - 1 if backlog.past_gap else 0",
        broken="last_acked=backlog.acked",
        caught_by=(f"{_STREAMING}::test_a_server_restored_from_a_backup_gets_again_what_is_kept",),
        hangs=True,
    ),
    PlantedBug(
        name="sqlite-acknowledges-before-the-sync",
        file="service/towpath_service/database/sqlite/connections.py",
        correct="PRAGMA synchronous=FULL",
        broken="PRAGMA synchronous=NORMAL",
        caught_by=(f"{_SYNCED}::test_sqlite_has_each_batch_on_the_disk_before_its_ack_leaves",),
    ),
    PlantedBug(
        name="postgresql-acknowledges-before-the-sync",
        file="service/towpath_service/database/postgres/durability.py",
        correct="""'off', 'on')""",
        broken="""'off', 'off')""",
        caught_by=(f"{_SYNCED}::test_postgresql_has_each_batch_on_the_disk_before_its_ack_leaves",),
    ),
    PlantedBug(
        name="unread-streams-stay-open",
        file="service/towpath_service/rpc/slow_consumers.py",
        correct="async with asyncio.timeout(seconds):",
        broken="async with asyncio.timeout(None):",
        caught_by=("tests/unit/service/rpc/test_slow_consumers.py",),
        hangs=True,
    ),
    PlantedBug(
        name="cronsim-gets-the-zone",
        file="service/towpath_service/work/domain/cron.py",
        correct="    return instants(walls, zone, after, until, reading)\n",
        broken=(
            "    found: list[datetime] = []\n"
            "    for at in CronSim(expression, after.astimezone(zone)):\n"
            "        if at >= until or len(found) > 99:\n"
            "            break\n"
            "        found.append(at)\n"
            "    return iter(found)\n"
        ),
        caught_by=("tests/unit/service/work/test_due_instants.py::test_cron_rules_are_due",),
    ),
    PlantedBug(
        name="slots-over-the-portion-are-lost",
        file="service/towpath_service/work/domain/slot_policy.py",
        correct="        return decisions, due_now[len(portion)].slot_us - 1\n",
        broken="        return decisions, now_us\n",
        caught_by=(
            "tests/unit/service/work/test_slot_policy.py::test_a_long_outage_is_decided_in_portions",
        ),
    ),
    PlantedBug(
        name="a-stop-is-proved-by-the-parents-exit-alone",
        file="sdk/towpath/_work/shim/supervisor.py",
        correct="        while self._children_left():\n",
        broken="        while False:\n",
        elsewhere=True,
        caught_by=(
            f"{_SHIM}::test_a_grandchild_that_left_the_session_is_gone_when_a_stop_is_proved",
            f"{_SHIM}::test_a_run_that_ends_by_itself_leaves_no_grandchild_either",
        ),
    ),
    PlantedBug(
        name="an-ended-run-is-killed-by-its-bare-number",
        file="sdk/towpath/_work/sessions.py",
        correct="if state.run_start and shim.start_of(state.run_pid) == state.run_start:",
        broken="if state.run_pid:",
        caught_by=(f"{_KIND}::test_a_process_that_has_the_number_of_an_ended_run_is_left_alone",),
    ),
    PlantedBug(
        name="numbers-of-an-earlier-boot-are-believed",
        file="sdk/towpath/_work/sessions.py",
        correct="    if state.boot_id != shim.boot_id():\n        return False\n",
        broken="",
        caught_by=(f"{_KIND}::test_after_a_restart_of_the_machine_no_number_is_believed",),
    ),
    PlantedBug(
        name="a-later-stop-replaces-an-earlier-one",
        file="sdk/towpath/_work/folders.py",
        correct="os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC",
        broken="os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC",
        caught_by=(f"{_SHIM}::test_stops_that_were_requested_before_the_shim_began_are_followed",),
    ),
    PlantedBug(
        name="a-leased-run-reports-without-its-fence",
        file="sdk/towpath/_engine/attempts.py",
        correct="            state = replace(state, fence=self._context.fence)\n",
        broken="            pass\n",
        caught_by=(f"{_CANCEL}::test_a_leased_run_reports_under_its_id_attempt_and_fence",),
    ),
    PlantedBug(
        name="a-run-that-is-to-end-is-tried-again",
        file="sdk/towpath/_engine/attempts.py",
        correct="        if self._context.inherited or self._is_to_end():\n",
        broken="        if self._context.inherited:\n",
        caught_by=(f"{_CANCEL}::test_a_run_that_fails_when_it_is_to_end_is_not_tried_again",),
    ),
    PlantedBug(
        name="runs-inherit-all-of-the-workers-environment",
        file="sdk/towpath/_work/environment.py",
        correct=(
            "        if name in _INHERITED"
            " or (name.startswith(_PREFIXES) and name not in _WORKERS_OWN)\n"
        ),
        broken="",
        caught_by=(f"{_ENVIRONMENT}::test_a_run_inherits_what_is_listed_and_nothing_else",),
    ),
    *CONTROL_BUGS,
    *DEPLOY_BUGS,
    *IDENTITY_BUGS,
    *TRANSACTION_BUGS,
    *VALUE_BUGS,
    *WORK_BUGS,
    *TELEMETRY_BUGS,
    *KUBERNETES_BUGS,
    *LIMIT_BUGS,
    *PAUSE_BUGS,
    *INPUT_BUGS,
    *RETRY_BUGS,
    *ASYNC_BUGS,
)
