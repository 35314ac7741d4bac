"""Planted bugs of the telemetry of dispatch, of job templates, and of serving scripts."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_IDS = "tests/unit/sdk/telemetry/test_ids.py"
_DISPATCH = "tests/unit/service/telemetry/test_dispatch.py"
_TELEMETRY = "service/towpath_service/telemetry"
_UPCOMING = "tests/unit/sdk/deploy/test_upcoming.py"
_WORK = "service/towpath_service/work/application"

TELEMETRY_BUGS = (
    PlantedBug(
        name="a-root-is-its-own-parent",
        file="sdk/towpath/_telemetry/ids.py",
        correct="            parent_span_id=None if carrier.span_id == own else carrier.span_id,\n",
        broken="            parent_span_id=carrier.span_id,\n",
        caught_by=(f"{_IDS}::test_a_dispatched_run_is_below_the_span_that_it_was_created_in",),
    ),
    PlantedBug(
        name="waits-are-exported-whatever-the-sampler-says",
        file=f"{_TELEMETRY}/dispatch.py",
        correct=" if place.sampled and self._sampler.takes(place.trace_id) else None\n",
        broken="\n",
        caught_by=(f"{_DISPATCH}::test_a_run_that_is_not_sampled_has_no_spans",),
    ),
    PlantedBug(
        name="a-run-with-a-caller-is-taken-for-traced",
        file=f"{_TELEMETRY}/root_spans.py",
        correct="story.transitions[-1].producer_id is not None\n",
        broken="story.transitions[-1] is not None\n",
        caught_by=(
            f"{_DISPATCH}::test_a_run_that_is_cancelled_in_the_queue_has_a_root_below_its_caller",
        ),
    ),
    PlantedBug(
        name="unknown-keys-of-job-templates-are-taken",
        file=f"{_WORK}/job_templates.py",
        correct="    unknown = [key for key in found if key not in known]\n",
        broken="    unknown = [key for key in found if not key]\n",
        caught_by=(
            "tests/unit/service/work/test_job_templates.py::test_each_unknown_key_is_named",
        ),
    ),
    PlantedBug(
        name="backfills-know-no-quota",
        file=f"{_WORK}/backfills.py",
        correct="        if not control.queue.room(seen.tenant_id, most, 1):\n",
        broken="        if not control.queue.room(seen.tenant_id, most + 1, 1):\n",
        caught_by=("tests/contract/work/test_backfills.py::test_a_full_queue_holds_a_backfill_up",),
    ),
    PlantedBug(
        name="what-is-next-is-told-again-and-again",
        file="sdk/towpath/_deploy/upcoming.py",
        correct="        if line and line != self._told:\n",
        broken="        if line:\n",
        caught_by=(f"{_UPCOMING}::test_a_line_comes_only_when_the_next_due_time_has_changed",),
    ),
)
