"""A headless Chromium of this machine: $CHROMIUM, or chromium on the PATH."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request

REQUIRED = "TIDEGATE_REQUIRE_BROWSER"  # .ci/run sets it: without a browser, its tests fail
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
)
_MOST_TABS = 150
_FOCUSED_NAME = """(element => element.ariaLabel || element.labels?.[0]?.textContent.trim()
    || element.textContent.trim())(document.activeElement)"""
_AXE = Path(__file__).parents[1] / "data/axe-core-4.10.2.min.js"


@contextmanager
def chromium() -> "Iterator[Browser]":
    """Start the browser. Without one the test is skipped, or fails where a browser is required."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        why = "NO BROWSER: the page is not tested. Install chromium, or set CHROMIUM to its path"
        if os.environ.get(REQUIRED):
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield browser
        browser.close()


class Watched:
    """A page of the browser. It notes what a person would not see: errors, and requests to other hosts."""

    def __init__(self, page: "Page", url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("request", self._request)

    def open(self, path: str) -> None:
        self.page.goto(self.url + path)

    def tab_to(self, name: str, *, backwards: bool = False) -> None:
        """Press Tab until what has this name, for a screen reader, has the focus."""
        for _ in range(_MOST_TABS):
            self.page.keyboard.press("Shift+Tab" if backwards else "Tab")
            if self.page.evaluate(_FOCUSED_NAME) == name:
                return
        raise AssertionError(f"{name!r} cannot be reached by keyboard")

    def serious_findings(self) -> list[str]:
        """Return what axe finds wrong with the page for people who use other means than eyes and mouse."""
        self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        results: dict[str, Any] = self.page.evaluate("axe.run()")
        return [
            f"{finding['id']} ({finding['impact']}): {finding['nodes'][0]['html'][:200]}"
            for finding in results["violations"]
            if finding["impact"] in ("serious", "critical")
        ]

    def _console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def _dialog(self, dialog: Any) -> None:
        self.errors.append(f"a script of a name ran: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: "Request") -> None:
        if not request.url.startswith((self.url, "data:", "about:")):
            self.foreign.append(request.url)
