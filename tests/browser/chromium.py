"""Drives a headless Chromium by the DevTools protocol, over a pipe: no driver, no other package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

PATIENCE_SECONDS: Final = 120.0
"""Longest wait for the browser or a page: machines of tests are shared."""

_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--remote-debugging-pipe",
)
_KEYS: Final = {"Escape": 27, "Enter": 13, "Tab": 9, "ArrowDown": 40, "ArrowRight": 39}


def find_chromium() -> str | None:
    """The program, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class PageError(Exception):
    """The page didn't become what a test waits for, or its script failed."""


@dataclass
class Browser:
    """A browser process; messages are JSON texts that a zero byte ends."""

    _to: int
    _from: int
    _last_id: int = 0
    _buffer: bytes = b""
    _listeners: dict[str, Callable[[str, Any], None]] = field(default_factory=dict)

    def call(self, method: str, session: str = "", **params: Any) -> Any:
        """Calls a method, and takes in what happens meanwhile."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise PageError(f"{method}: {answer['error']}")
                return answer["result"]

    @contextmanager
    def page(self, *, width: int = 1440, height: int = 900, dark: bool = False) -> Generator[Page]:
        """A page of its own, without what other pages have stored."""
        with self.tabs(1, width=width, height=height, dark=dark) as [page]:
            yield page

    @contextmanager
    def tabs(
        self, count: int, *, width: int = 1440, height: int = 900, dark: bool = False
    ) -> Generator[list[Page]]:
        """Tabs that share what they store, and the connections of the browser."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        pages: list[Page] = []
        try:
            for _ in range(count):
                made = self.call("Target.createTarget", url="about:blank", browserContextId=context)
                attached = self.call(
                    "Target.attachToTarget", targetId=made["targetId"], flatten=True
                )
                page = Page(self, attached["sessionId"])
                self._listeners[page.session] = page.heard
                pages.append(page)
                page.open(width, height, dark=dark)
            yield pages
        finally:
            for page in pages:
                del self._listeners[page.session]
            self.call("Target.disposeBrowserContext", browserContextId=context)

    def _read(self) -> Any:
        while b"\0" not in self._buffer:
            part = os.read(self._from, 1 << 20)
            if not part:
                raise PageError("the browser has ended")
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        if "method" in message and (listener := self._listeners.get(message.get("sessionId", ""))):
            listener(message["method"], message["params"])
        return message


@dataclass
class Page:
    """One tab: what it asked for, and what went wrong in it."""

    browser: Browser
    session: str
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> Any:
        """Calls a method of the page."""
        return self.browser.call(method, self.session, **params)

    def open(self, width: int, height: int, *, dark: bool) -> None:
        """Prepares the tab."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        still = {"name": "prefers-reduced-motion", "value": "reduce"}
        self.call("Emulation.setEmulatedMedia", features=[scheme, still])

    def resize(self, width: int, height: int) -> None:
        """Gives the tab another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def heard(self, method: str, params: Any) -> None:
        """Notes requests, violations of the policy, errors and warnings."""
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"].get("exception", params))[:500])
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            # What the page caught itself, such as an error that its boundary shows.
            said = [str(one.get("value", one.get("description", ""))) for one in params["args"]]
            self.problems.append(" ".join(said)[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(
                f"{params['entry']['text']} {params['entry'].get('url', '')}"[:500]
            )

    def go(self, url: str, ready: str = "main h1") -> None:
        """Opens an address, and waits for what a selector selects."""
        self.call("Page.navigate", url=url)
        self.wait(f"document.querySelector({json.dumps(ready)}) !== null")

    def run(self, script: str) -> Any:
        """The value of an expression, after its promise."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise PageError(str(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def wait(self, condition: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until an expression is true."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                text = self.run("document.body.innerText.slice(0, 800)")
                raise PageError(f"never true: {condition}\n{self.problems}\n{text}")
            time.sleep(0.05)

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """Presses a key where the focus is."""
        code = _KEYS.get(key, ord(key[0].upper()))
        text = {"text": key} if len(key) == 1 and not ctrl else {}
        if key == "Enter":
            text = {"text": "\r"}
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if ctrl else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **event)

    def picture(self, path: Path) -> None:
        """Writes a screenshot."""
        answer = self.call("Page.captureScreenshot", format="png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextmanager
def chromium(program: str) -> Generator[Browser]:
    """A browser for as long as the context lasts."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="towpath-browser-", ignore_cleanup_errors=True) as home:

        def as_three_and_four() -> None:
            # Above all that is in use: the numbers may be taken by each other.
            first, second = os.dup(to_read), os.dup(from_write)
            os.dup2(first, 3)
            os.dup2(second, 4)

        process = subprocess.Popen(
            [program, *_FLAGS, f"--user-data-dir={home}"],
            preexec_fn=as_three_and_four,  # noqa: PLW1509 - the pipe must be 3 and 4
            close_fds=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(from_write)
        browser = Browser(to_write, from_read)
        try:
            yield browser
        finally:
            os.close(to_write)
            os.close(from_read)
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
