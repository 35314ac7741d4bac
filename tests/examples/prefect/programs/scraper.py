"""Pages of a site are fetched side by side; a page that is gone doesn't spoil the rest."""

import re

from towpath import allow_failure, flow, task, unmapped

SITE = {
    "/": '<a href="/a">A</a> <a href="/b">B</a> <a href="/gone">?</a>',
    "/a": "<h1>Anchors</h1>",
    "/b": "<h1>Buoys</h1>",
}


@task
def fetch(path: str, site: dict[str, str]) -> str:
    if path not in site:
        raise LookupError(f"404 {path}")
    return site[path]


@task
def links(page: str) -> list[str]:
    return re.findall(r'href="([^"]+)"', page)


@task
def title(page: object) -> str:
    if isinstance(page, Exception):
        return f"missing ({page})"
    found = re.search(r"<h1>(.*?)</h1>", str(page))
    return found[1] if found else "untitled"


@flow
def scrape(start: str) -> list[str]:
    found = links.submit(fetch.submit(start, SITE))
    pages = fetch.map(found, site=unmapped(SITE))
    return title.map(allow_failure(pages)).result()


if __name__ == "__main__":
    for each in scrape("/"):
        print(each)
