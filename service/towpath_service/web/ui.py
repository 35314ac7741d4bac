"""Serves the files of the web UI, from memory; used by the web application.

The files are built from `service/ui` and committed, so that an installation needs no Node. Files in
`assets/` have the hash of their content in their names, and are cached for good; the page itself is
asked for again each time, and so names the files of the running version.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.datastructures import Headers
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

STATIC: Final = Path(__file__).with_name("static")
"""The folder of the built files."""

PAGE: Final = "/index.html"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self';"
    " img-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script';"
    " trusted-types 'none'"
)
"""What the page may do: load its own files and call its own server."""

_HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "vary": "accept-encoding",
    "x-content-type-options": "nosniff",
}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_LEAST_PACKED_BYTES: Final = 1_024
# All kinds of files of a build.
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
_PACKED: Final = frozenset({".css", ".html", ".js", ".svg"})


@dataclass(frozen=True, kw_only=True)
class File:
    """A file with its headers, ready to be sent."""

    content: bytes
    headers: Mapping[str, str]
    packs: bool = False
    """Whether compression pays."""

    @cached_property
    def packed(self) -> bytes | None:
        """The content by gzip; None where that doesn't pay. The first request waits for it."""
        return gzip.compress(self.content, mtime=0) if self.packs else None


class WebUi:
    """Answers requests of browsers for pages and their files; others pass."""

    def __init__(self, app: Any, files: Mapping[str, File]) -> None:
        """Wraps the application that answers all other requests.

        Args:
            app: The application behind it.
            files: The files by path, `PAGE` among them.
        """
        self._app = app
        self._files = files

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Sends a file for GET and HEAD; any path that a browser opens is a page."""
        file = self._find(scope)
        if file is None:
            await self._app(scope, receive, send)
            return
        headers = dict(file.headers)
        content = file.content
        takes_gzip = "gzip" in Headers(scope=scope).get("accept-encoding", "")
        if takes_gzip and (packed := file.packed) is not None:
            content = packed
            headers["content-encoding"] = "gzip"
        headers["content-length"] = str(len(content))
        body = b"" if scope["method"] == "HEAD" else content
        await Response(body, headers=headers)(scope, receive, send)

    def _find(self, scope: Any) -> File | None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return None
        path: str = scope["path"]
        if path == "/":
            return self._files[PAGE]
        file = self._files.get(path)
        # Connect sends calls without side effects by GET, too, and they ask for no HTML.
        if file is None and "text/html" in Headers(scope=scope).get("accept", ""):
            return None if path.startswith("/assets/") else self._files[PAGE]
        return file


def built_files(folder: Path = STATIC) -> dict[str, File]:
    """Reads the built files.

    Args:
        folder: The folder of the build.

    Returns:
        The files by path; none when the UI was not built.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES)
    files = {f"/{path.relative_to(folder).as_posix()}": _read(path, folder) for path in found}
    return files if PAGE in files else {}


def _read(path: Path, folder: Path) -> File:
    content = path.read_bytes()
    named_by_hash = path.parent == folder / "assets"
    headers = {
        **_HEADERS,
        "cache-control": _FOR_GOOD if named_by_hash else _ASK_AGAIN,
        "content-type": _TYPES[path.suffix],
    }
    packs = path.suffix in _PACKED and len(content) >= _LEAST_PACKED_BYTES
    return File(content=content, headers=headers, packs=packs)
