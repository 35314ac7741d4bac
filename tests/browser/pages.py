"""The pages, and how to know that each is complete.

`python -m tests.browser.pages URL FOLDER [NAME...]` makes pictures of them in both themes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.browser.calls import artifact_of, run_of
from tests.browser.chromium import Page, chromium, find_chromium

if TYPE_CHECKING:
    from collections.abc import Sequence

# No part of the page is still loading.
SETTLED = "document.querySelector('main h1') && !document.querySelector('.skeleton')"


@dataclass(frozen=True, slots=True)
class Shown:
    """A page to look at."""

    name: str
    path: str
    ready: str = SETTLED


def pages(base: str) -> Sequence[Shown]:
    """All pages of a server that the demo has filled."""
    failed = run_of(base, "invoices")
    timeline = f"{SETTLED} && document.querySelector('.tl-head')"
    frame = f"{timeline} && document.querySelector('.error .frame')"
    line = f"{SETTLED} && document.querySelector('.line')"
    return (
        Shown("home", "/"),
        Shown("runs", "/runs", f"{SETTLED} && document.querySelector('#row-0')"),
        Shown("run-failed", f"/runs/{failed}", frame),
        Shown("run-retried", f"/runs/{run_of(base, 'orders')}", timeline),
        Shown("run-tasks", f"/runs/{failed}?tab=tasks", timeline),
        Shown("run-graph", f"/runs/{failed}?tab=graph", timeline),
        Shown("run-decisions", f"/runs/{failed}?tab=decisions", timeline),
        Shown("run-values", f"/runs/{failed}?tab=values", timeline),
        Shown("run-hostile", f"/runs/{run_of(base, 'odd')}", line),
        Shown("flows", "/flows"),
        Shown("flow", "/flows/orders--nightly"),
        Shown("deployments", "/deployments"),
        Shown("deployment", "/deployments/orders--nightly/nightly"),
        Shown("pools", "/pools"),
        Shown("pool", "/pools/local"),
        Shown("limits", "/limits"),
        Shown("limit", "/limits/warehouse"),
        Shown("artifacts", "/artifacts"),
        Shown("artifact", f"/artifacts/{artifact_of(base)}"),
        Shown("variables", "/variables"),
        Shown("secrets", "/secrets"),
        Shown("device", "/device"),
        Shown("usage", "/usage"),
        Shown("access", "/access"),
        Shown("audit", "/audit"),
        Shown("settings", "/settings"),
    )


def show(page: Page, base: str, shown: Shown) -> None:
    """Opens a page, and waits until it is complete."""
    page.go(f"{base}{shown.path}")
    page.wait(shown.ready)
    page.run("document.fonts.ready.then(() => new Promise(requestAnimationFrame))")


def main(base: str, folder: str, names: Sequence[str]) -> None:
    """Makes the pictures."""
    program = find_chromium()
    if program is None:
        raise SystemExit("Chromium isn't installed")
    with chromium(program) as browser:
        for dark in (False, True):
            with browser.page(dark=dark) as page:
                for shown in pages(base):
                    if names and shown.name not in names:
                        continue
                    show(page, base, shown)
                    theme = "dark" if dark else "light"
                    page.picture(Path(folder) / f"{shown.name}-{theme}.png")
                    for problem in page.problems:
                        print(f"{shown.name}: {problem}")  # noqa: T201 - for who looks at them
                    page.problems.clear()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
