"""Planted bugs of fences, cancellation, keys of requests and attempts after crashes."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_WORK = "service/towpath_service/work"
_FENCES = "tests/contract/work/test_fences.py"
_CANCELLING = "tests/contract/work/test_cancelling.py"
_CONTROL = "tests/contract/work/test_run_control.py"
_TOKENS = "tests/contract/identity/test_run_tokens.py"
_ENQUEUEING = "tests/contract/work/test_enqueueing.py"

CONTROL_BUGS = (
    PlantedBug(
        name="reports-without-a-fence-pass",
        file="service/towpath_service/runs/domain/decisions.py",
        correct="if report.fence < run.fence or",
        broken="if 0 < report.fence < run.fence or",
        caught_by=(f"{_FENCES}::test_a_dispatched_run_accepts_no_report_without_its_fence",),
    ),
    PlantedBug(
        name="workers-get-tokens-of-leases-of-others",
        file=f"{_WORK}/storage/control.py",
        correct="                worker.c.principal == principal,\n",
        broken="",
        caught_by=(f"{_TOKENS}::test_a_worker_gets_tokens_of_the_runs_that_it_has_leased_only",),
    ),
    PlantedBug(
        name="runs-use-secrets-that-their-deployment-does-not-name",
        file="service/towpath_service/values/application/secrets.py",
        correct="if user.secrets is not None and asked[1] not in user.secrets:",
        broken="if user.secrets is not None and not user.secrets:",
        caught_by=(f"{_CONTROL}::test_a_run_uses_the_secrets_that_its_deployment_names",),
    ),
    PlantedBug(
        name="runs-create-runs-below-others",
        file=f"{_WORK}/application/creating.py",
        correct="if not is_below(control, asked.scope, asked.parent_run_id, caller.run.run_id):",
        broken="if not asked.parent_run_id:",
        caught_by=(f"{_CONTROL}::test_a_run_creates_and_cancels_below_itself_only",),
    ),
    PlantedBug(
        name="callers-lengthen-timeouts-of-deployments",
        file=f"{_WORK}/application/creating.py",
        correct="timeout_us=min(timeouts, default=None),",
        broken="timeout_us=max(timeouts, default=None),",
        caught_by=(f"{_CONTROL}::test_the_smaller_timeout_of_deployment_and_caller_counts",),
    ),
    PlantedBug(
        name="keys-of-requests-are-not-written",
        file=f"{_WORK}/storage/enqueueing.py",
        correct="run_key, _KEY_COLUMNS, _key_rows(keys, now_us))\n",
        broken="run_key, _KEY_COLUMNS, [])\n",
        caught_by=(f"{_ENQUEUEING}::test_a_repeated_key_is_answered_with_the_first_run",),
    ),
    PlantedBug(
        name="cancelled-runs-stay-queued",
        file=f"{_WORK}/application/cancelling.py",
        correct="        control.queue.remove_entries(scope.tenant_id, waiting)\n",
        broken="",
        caught_by=(f"{_CANCELLING}::test_a_waiting_run_is_cancelled_at_once",),
    ),
    PlantedBug(
        name="directives-are-dropped-after-sending",
        file="service/towpath_service/runs/application/directives.py",
        correct="        self._seen: dict[str, int] = {}\n",
        broken="        self._seen: dict[str, int] = vars(_log).setdefault('seen', {})\n",
        caught_by=(
            "tests/contract/work/test_directives.py::test_a_directive_comes_again_on_each_stream",
        ),
        hangs=True,
    ),
    PlantedBug(
        name="ended-runs-keep-their-slot",
        file=f"{_WORK}/storage/lease_moves.py",
        correct="counts = lease.counts and not move.ended",
        broken="counts = lease.counts",
        caught_by=(f"{_FENCES}::test_the_lease_follows_its_run",),
    ),
    PlantedBug(
        name="attempts-follow-silence-at-once",
        file=f"{_WORK}/application/crash_retries.py",
        correct="return now_us if proven else now_us + budget.lease_us",
        broken="return now_us",
        caught_by=(
            "tests/contract/work/test_crash_retries.py::test_a_crashed_run_is_queued_again",
        ),
    ),
)
