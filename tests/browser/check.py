"""The site and JupyterLab in a real browser: ``make browser-test``, apart from the default run.

Needs Playwright and a Chromium; ``CHROMIUM`` names the browser where it is not found by itself. Screenshots are left in
``build/screenshots/``, to be looked at by a person.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

sync_api = pytest.importorskip("playwright.sync_api")

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SITE = REPOSITORY / "build" / "site"
SCREENSHOTS = REPOSITORY / "build" / "screenshots"
WIDTHS = {"phone": (390, 844), "projector": (1920, 1080)}


@pytest.fixture(scope="session")
def browser():
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(params=WIDTHS)
def page(browser, request):
    """A page of a phone's or a projector's width, which may ask for nothing but files."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    opened = context.new_page()
    opened.kind, opened.asked, opened.errors = request.param, [], []
    opened.on("request", lambda asked: opened.asked.append(asked.url))
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    yield opened
    context.close()


def test_the_way_through_the_site(page):
    """From the index by *next* to the last lesson and back to the index; no page is wider than the screen."""
    lessons = sorted(path.name for path in SITE.glob("0*.html")) + sorted(path.name for path in SITE.glob("1*.html"))
    page.goto((SITE / "index.html").as_uri())
    page.screenshot(path=SCREENSHOTS / f"{page.kind}-index.png")
    page.locator(f'a[href="{lessons[0]}"]').first.click()
    seen = []
    while True:
        seen.append(page.url.rsplit("/", 1)[1])
        width, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert width <= screen, f"{seen[-1]} is {width} pixels wide on a screen of {screen}"
        loaded = page.evaluate("[...document.images].map(image => image.naturalWidth > 0)")
        assert loaded and all(loaded), f"{seen[-1]} has a picture that does not show"
        page.screenshot(path=SCREENSHOTS / f"{page.kind}-{seen[-1]}.png")
        following = page.locator('a[rel="next"]')
        if not following.count():
            break
        following.first.click()
    assert seen == lessons
    page.locator("nav a", has_text="All lessons").first.click()
    assert page.url.endswith("index.html") and page.errors == []
    assert not [url for url in page.asked if not url.startswith(("file:", "data:"))]


# JupyterLab ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on a copy of the course, in quick mode; yields its address."""
    for name in ("helpers", "images", "notebooks"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "kinds"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root", "--IdentityProvider.token="]
    environment = os.environ | {"NOTEBOOK_MODE": "quick", "JUPYTER_PREFER_ENV_PATH": "1"}
    environment.pop("MPLBACKEND", None)
    with (tmp_path / "lab.log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api", timeout=2)
            break
        except OSError:
            time.sleep(1)
    else:
        pytest.fail((tmp_path / "lab.log").read_text()[-2000:])
    yield address, tmp_path
    server.terminate()
    server.wait(30)


def test_a_notebook_runs_to_its_end_in_jupyterlab(lab, browser):
    """All cells are run from the menu; none fails, each has its number, and the figures are there."""
    address, folder = lab
    path = folder / "notebooks" / "04_network.ipynb"
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    figures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.goto(f"{address}/lab/tree/notebooks/{path.name}?reset", timeout=120_000)
    page.locator(".jp-NotebookPanel-toolbar").wait_for(timeout=120_000)
    with contextlib.suppress(sync_api.TimeoutError):  # it asks which kernel, unless it was told never to
        page.locator(".jp-Dialog .jp-mod-accept").click(timeout=30_000)
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=120_000)  # the kernel is there
    page.locator("li.lm-MenuBar-item", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
    deadline = time.monotonic() + 150
    executed = []
    while time.monotonic() < deadline and executed != list(range(1, len(code) + 1)):
        time.sleep(3)
        page.keyboard.press("Control+s")
        cells = nbformat.read(path, as_version=4).cells
        executed = [cell.execution_count for cell in cells if cell.cell_type == "code"]
        fresh = "Mode: quick" in "".join(cell.outputs[0].get("text", "") for cell in cells[1:2] if cell.outputs)
        executed = executed if fresh else []
    page.screenshot(path=SCREENSHOTS / "jupyterlab.png")
    assert executed == list(range(1, len(code) + 1))
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert not [output.ename for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == figures > 0
    page.close()
