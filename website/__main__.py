"""The command of this package: `references`, `build` or `check`."""

from __future__ import annotations

import shutil
import subprocess
import sys

from website import references
from website.links import problems_of_pages, problems_of_site
from website.places import PAGES_OUTSIDE, ROOT, SITE


def build() -> list[str]:
    """Builds the site anew; returns what is wrong with it."""
    shutil.rmtree(SITE, ignore_errors=True)
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        return [built.stdout + built.stderr]
    return [*problems_of_site(SITE), *problems_of_pages(ROOT / page for page in PAGES_OUTSIDE)]


def check() -> list[str]:
    """Builds the site, and compares the reference pages with the code."""
    outdated = [f"{page} is out of date: run `poe references`" for page in references.outdated()]
    return [*outdated, *build()]


def main(arguments: list[str]) -> int:
    """Does what is asked, and prints what is wrong."""
    match arguments:
        case ["references"]:
            references.write()
            problems: list[str] = []
        case ["build"]:
            references.write()
            problems = build()
        case ["check"]:
            problems = check()
        case _:
            problems = [__doc__ or ""]
    for problem in problems:
        print(problem)
    if arguments in (["build"], ["check"]) and not problems:
        print(f"{SITE / 'index.html'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
