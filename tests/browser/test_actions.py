"""What a page does with runs and deployments, and what it says before."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from tests.browser.calls import WORKSPACE, call, run_of, state_of
from tests.browser.filled import create_run
from tests.browser.pages import SETTLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.chromium import Browser, Page

DIALOG = "document.querySelector('dialog[open]')"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.page() as opened:
        yield opened


def press(page: Page, word: str, within: str = "document.querySelector('main')") -> None:
    """Presses the button that begins with a word, once it is there."""
    found = (
        f"[...({within})?.querySelectorAll('button') ?? []]"
        f".find(b => b.innerText.startsWith({json.dumps(word)}) && !b.disabled)"
    )
    page.wait(found)
    page.run(f"{found}.click()")


def test_runs_are_chosen_by_key_and_deleted_after_a_dry_run(page: Page, base: str) -> None:
    ids = [create_run(base, f"bulk-{number}") for number in range(3)]
    page.go(f"{base}/runs?q=bulk-")
    page.wait("document.querySelector('#row-2')")
    for key in "jxjxjx":
        page.press(key)
    page.wait("document.querySelector('.chosen')?.innerText.includes('3 runs chosen')")
    # Runs that wait can't be deleted: the button says how many can, which is none.
    chosen = "document.querySelector('.chosen')"
    page.wait(
        f"[...{chosen}.querySelectorAll('button')].find(b => b.innerText === 'Delete').disabled"
    )
    press(page, "Cancel 3", chosen)
    page.wait(f"{DIALOG}.innerText.includes('3 waiting runs end at once')")
    assert [state_of(base, one) for one in ids] == ["SCHEDULED"] * 3
    assert "towpath run cancel" in page.run(f"{DIALOG}.querySelector('.link').title")
    press(page, "Cancel 3 runs", DIALOG)
    page.wait(f"!{DIALOG} && !{chosen}")
    assert [state_of(base, one) for one in ids] == ["CANCELLED"] * 3
    page.wait("document.querySelector('#row-2')?.innerText.includes('Cancelled')")
    page.run("document.querySelector('#row-0 [type=checkbox]').click()")
    press(page, "Choose all", chosen)
    page.wait(f"{chosen}.innerText.includes('3 runs chosen')")
    press(page, "Delete 3", chosen)
    page.wait(f"{DIALOG}.innerText.includes('3 runs go, with their histories and logs')")
    press(page, "Delete 3 runs", DIALOG)
    page.wait("!document.querySelector('#row-0')")
    assert page.problems == []


def test_a_script_run_says_how_it_is_retried(page: Page, base: str) -> None:
    page.go(f"{base}/runs/{run_of(base, 'invoices')}")
    press(page, "Retry")
    page.wait(f"{DIALOG}.innerText.includes('made by a script')")
    assert "--here my_flow.py:my_flow" in page.run(f"{DIALOG}.innerText")
    assert page.run(f"{DIALOG}.querySelector('footer .primary').disabled")


def test_a_cancelled_run_is_retried(page: Page, base: str) -> None:
    run = create_run(base, "again")
    call(base, "RunService/CancelRun", name=f"{WORKSPACE}/runs/{run}")
    page.go(f"{base}/runs/{run}")
    press(page, "Retry")
    page.wait(f"{DIALOG}.innerText.includes('queued again')")
    press(page, "Retry run", DIALOG)
    page.wait(f"!{DIALOG} && document.querySelector('.state.big')?.innerText === 'Scheduled'")
    press(page, "Pause")
    press(page, "Pause run", DIALOG)
    page.wait("document.querySelector('.state.big')?.innerText === 'Paused'")
    press(page, "Resume")
    press(page, "Resume run", DIALOG)
    page.wait("document.querySelector('.state.big')?.innerText === 'Scheduled'")
    call(base, "RunService/CancelRun", name=f"{WORKSPACE}/runs/{run}")
    page.wait("document.querySelector('.state.big')?.innerText === 'Cancelled'")


def test_a_backfill_shows_its_due_times_before(page: Page, base: str) -> None:
    page.go(f"{base}/deployments/orders--nightly/nightly")
    press(page, "Backfill")
    page.wait(f"{DIALOG}?.querySelector('#bf-from')")
    press(page, "Show due times", DIALOG)
    page.wait(f"{DIALOG}.querySelector('.times')?.children.length === 7")
    press(page, "Create 7 runs", DIALOG)
    page.wait(f"{DIALOG}.innerText.includes('The backfill has begun')")
    begun = page.run(f"{DIALOG}.querySelector('.link').title").split()[-1]
    call(base, "BackfillService/CancelBackfill", name=f"{WORKSPACE}/backfills/{begun}")


def test_a_deployment_is_paused_and_run_with_the_form_of_its_parameters(
    page: Page, base: str
) -> None:
    page.go(f"{base}/deployments/orders--nightly/nightly")
    page.wait(SETTLED)
    press(page, "Pause schedules")
    page.wait("document.querySelector('.figures')?.innerText.includes('Paused')")
    press(page, "Resume schedules")
    page.wait("!document.querySelector('.figures').innerText.includes('Paused')")
    press(page, "Run")
    page.wait(f"{DIALOG}?.querySelector('#field-day')?.value === 'yesterday'")
    page.run(f"{DIALOG}.querySelector('#field-limit').select()")
    page.call("Input.insertText", text="abc")
    press(page, "Run", DIALOG)
    page.wait(f"{DIALOG}.querySelector('[role=alert]')?.innerText.includes('whole number')")
    page.run(f"{DIALOG}.querySelector('#field-limit').select()")
    page.call("Input.insertText", text="7")
    page.wait(f"{DIALOG}.querySelector('.link').title.endsWith('--param limit=7')")
    press(page, "Run", DIALOG)
    page.wait("location.pathname.startsWith('/runs/')")
    page.wait("document.querySelector('.state.big')?.innerText === 'Scheduled'")
    run = page.run("location.pathname.split('/').at(-1)")
    found = call(base, "RunService/GetRun", name=f"{WORKSPACE}/runs/{run}")
    assert json.loads(base64.b64decode(found["run"]["parameters"]["data"])) == {
        "day": "yesterday",
        "limit": 7,
    }
    call(base, "RunService/CancelRun", name=f"{WORKSPACE}/runs/{run}")
    page.wait("document.querySelector('.state.big')?.innerText === 'Cancelled'")
    press(page, "Delete")
    press(page, "Delete run", DIALOG)
    page.wait("location.pathname === '/runs'")
