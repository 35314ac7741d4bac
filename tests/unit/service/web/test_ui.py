"""The web port sends the page and its files to browsers, and calls go on to the rpcs."""

from __future__ import annotations

import gzip
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from towpath_service.web.ui import PAGE, POLICY, STATIC, WebUi, built_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BROWSER = {"accept": "text/html,application/xhtml+xml"}
SOURCES = Path(__file__).resolve().parents[4] / "service/ui"
SCRIPT = b"export const answer = 42;\n" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"<!doctype html><title>Towpath</title>")
    (tmp_path / "theme.js").write_bytes(b"1")
    (tmp_path / "assets/index-ab12.js").write_bytes(SCRIPT)
    (tmp_path / "assets/inter-cd34.woff2").write_bytes(b"font" * 1000)
    return tmp_path


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async def rpcs(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse(f"rpc {scope['method']}")(scope, receive, send)

    transport = httpx2.ASGITransport(app=WebUi(rpcs, built_files(built)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/01a2", "/flows/no/such/page"])
async def test_each_address_that_a_browser_opens_is_the_page(
    client: httpx2.AsyncClient, path: str
) -> None:
    answer = await client.get(path, headers=BROWSER)
    assert answer.status_code == 200
    assert answer.text == "<!doctype html><title>Towpath</title>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


async def test_the_page_may_load_nothing_of_others_and_no_inline_code(
    client: httpx2.AsyncClient,
) -> None:
    headers = (await client.get("/")).headers
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    assert "http" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


async def test_files_named_by_their_content_are_kept_for_good(client: httpx2.AsyncClient) -> None:
    script = await client.get("/assets/index-ab12.js", headers={"accept-encoding": "gzip"})
    assert script.content == SCRIPT
    assert script.headers["content-encoding"] == "gzip"
    assert script.headers["vary"] == "accept-encoding"
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    font = await client.get("/assets/inter-cd34.woff2")
    assert font.headers["content-type"] == "font/woff2"
    assert "content-encoding" not in font.headers
    theme = await client.get("/theme.js")
    assert theme.headers["cache-control"] == "no-cache"


async def test_a_client_that_takes_no_gzip_gets_the_plain_file(client: httpx2.AsyncClient) -> None:
    script = await client.get("/assets/index-ab12.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in script.headers
    assert int(script.headers["content-length"]) == len(SCRIPT)


async def test_a_head_request_has_the_headers_only(client: httpx2.AsyncClient) -> None:
    head = await client.head("/assets/index-ab12.js", headers={"accept-encoding": "gzip"})
    assert head.content == b""
    assert int(head.headers["content-length"]) == len(gzip.compress(SCRIPT, mtime=0))


@pytest.mark.parametrize(
    ("method", "path", "accept"),
    [
        ("POST", "/towpath.api.v1.RunService/GetRun", "*/*"),
        ("GET", "/towpath.api.v1.RunService/GetRun", "*/*"),
        ("POST", "/", "text/html"),
        ("OPTIONS", "/", "text/html"),
        ("GET", "/nothing", "*/*"),
        ("GET", "/assets/of-an-older-version.js", "text/html"),
    ],
)
async def test_what_is_no_page_goes_on_to_the_rpcs(
    client: httpx2.AsyncClient, method: str, path: str, accept: str
) -> None:
    answer = await client.request(method, path, headers={"accept": accept})
    assert answer.text == f"rpc {method}"
    assert "content-security-policy" not in answer.headers


def test_a_folder_without_a_page_serves_nothing(tmp_path: Path) -> None:
    (tmp_path / "theme.js").write_bytes(b"1")
    assert built_files(tmp_path) == {}
    assert built_files(tmp_path / "none") == {}


def test_an_installation_has_a_built_page() -> None:
    files = built_files()
    page = files[PAGE].content.decode()
    named = [part.split('"')[0] for part in page.split('="/')[1:]]
    assert named
    assert all(f"/{name}" in files for name in named), named
    assert "<script>" not in page
    assert "style=" not in page
    assert STATIC.is_dir()


def test_the_first_visit_loads_little() -> None:
    """The entry chunk, with all that it imports itself, packed."""
    files = built_files()
    wanted = set(re.findall(r'"/(assets/[^"]+\.js)"', files[PAGE].content.decode()))
    assert wanted
    packed = [files[f"/{name}"].packed or files[f"/{name}"].content for name in wanted]
    assert sum(map(len, packed)) <= 250 * 1024


def test_the_build_is_of_these_sources() -> None:
    """Says early what `poe ui-check` finds by building anew."""
    spec = importlib.util.spec_from_file_location("ui_build", SOURCES / "build.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    committed = (STATIC / tool.DIGEST).read_text(encoding="utf-8").strip()
    assert committed == tool.digest(), "run `poe ui`, and commit the build"
