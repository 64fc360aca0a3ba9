"""Fixtures of the tests of pages in a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; what needs it is skipped where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        new_context = found.new_context

        def patient(**options: Any) -> Any:
            """A context that waits two minutes: a busy machine is no fault of a page."""
            context = new_context(**options)
            context.set_default_timeout(120_000)
            return context

        found.new_context = patient  # type: ignore[method-assign]
        yield found
        found.close()
