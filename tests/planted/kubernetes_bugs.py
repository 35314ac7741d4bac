"""The planted bugs of the kind of Jobs."""

from __future__ import annotations

from tests.planted.planting import PlantedBug

_KIND = "sdk/towpath/_work/kinds/kubernetes"
_TESTS = "tests/unit/sdk/work/kubernetes"
_ENDINGS = f"{_TESTS}/test_endings.py"
_JOBS = f"{_TESTS}/test_jobs.py"
_LOGS = f"{_TESTS}/test_logs.py"
_MANIFEST = f"{_TESTS}/test_manifest.py"
_WATCHING = f"{_TESTS}/test_watching.py"

KUBERNETES_BUGS = (
    PlantedBug(
        name="a-job-that-is-there-is-taken-for-a-refusal",
        file=f"{_KIND}/jobs.py",
        correct="            if error.code != CONFLICT:\n                raise\n        else:\n",
        broken="            raise\n        else:\n",
        caught_by=(f"{_JOBS}::test_a_create_whose_answer_is_lost_makes_one_job",),
    ),
    PlantedBug(
        name="deletions-in-a-gap-are-not-told",
        file=f"{_KIND}/watching.py",
        correct="            self._on_change(self._objects.pop(uid), True)\n",
        broken="            self._objects.pop(uid)\n",
        caught_by=(
            _WATCHING
            + "::test_a_version_that_is_too_old_has_all_listed_and_the_missing_told_as_gone",
        ),
    ),
    PlantedBug(
        name="the-lines-after-the-end-of-a-log-are-lost",
        file=f"{_KIND}/logs.py",
        correct="            is_last = self._ended.is_set()\n",
        broken="            is_last = True\n",
        caught_by=(f"{_LOGS}::test_lines_after_the_end_of_a_followed_log_are_read_too",),
    ),
    PlantedBug(
        name="a-stop-is-confirmed-before-the-pod-is-gone",
        file=f"{_KIND}/endings.py",
        correct="    if pod is not None and seen.is_empty:\n",
        broken="    if pod is not None and (seen.is_empty or seen.deletes):\n",
        caught_by=(f"{_ENDINGS}::test_a_run_counts_as_ended_only_on_proof",),
    ),
    PlantedBug(
        name="patches-may-change-what-finds-a-job",
        file=f"{_KIND}/manifest.py",
        correct="    _check(made, built_in)\n",
        broken="",
        caught_by=(
            _MANIFEST + "::test_a_patch_that_doesnt_fit_or_changes_what_must_stay_is_refused",
        ),
    ),
    PlantedBug(
        name="half-made-jobs-are-adopted",
        file=f"{_KIND}/jobs.py",
        correct="        if not await self._has_secret(name):\n",
        broken="        if not name:\n",
        caught_by=(
            _JOBS + "::test_a_worker_adopts_its_own_jobs_and_deletes_those_without_a_secret",
        ),
    ),
    PlantedBug(
        name="a-missing-right-is-said-each-time",
        file=f"{_KIND}/calls.py",
        correct="            self._told.add(text)\n",
        broken="",
        caught_by=(
            _JOBS + "::test_a_missing_right_is_said_once_with_its_verb_and_gives_the_run_back",
        ),
    ),
)
