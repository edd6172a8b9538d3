"""The book and JupyterLab in a real browser: ``make browser-test``, apart from the default run.

Needs Playwright and a Chromium; ``CHROMIUM`` names the browser where it is not found by itself. Screenshots are left in
``build/screenshots/``, to be looked at by a person.
"""

import contextlib
import os
import random
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

from helpers.cost import conv_cost
from helpers.publishing import pages, site

sync_api = pytest.importorskip("playwright.sync_api")

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SITE = REPOSITORY / "build" / "site"
SCREENSHOTS = REPOSITORY / "build" / "screenshots"
WIDTHS = {"phone": 390, "tablet": 820, "laptop": 1280, "projector": 1920}
PAGES = sorted(path.name for path in SITE.glob("*.html"))


@pytest.fixture(scope="session")
def browser():
    assert PAGES, "there is no site to look at: make site"
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


UNDISTORTED = """[...document.images].every(({width, height, naturalWidth, naturalHeight}) =>
    Math.abs(width / height / (naturalWidth / naturalHeight) - 1) < 0.03)"""


@contextlib.contextmanager
def opened(browser, width=1280, mode="light"):
    """A page that may ask for nothing but files; what it asks and what goes wrong is kept."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, color_scheme=mode)
    page = context.new_page()
    page.asked, page.errors = [], []
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    context.close()


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_every_page_fits_and_shows_its_pictures(browser, width, mode):
    """No page is wider than the screen, stretches a picture, or asks for anything but files; one screenshot each."""
    with opened(browser, width, mode) as page:
        for name in PAGES:
            page.goto((SITE / name).as_uri())
            wide, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert wide <= screen, f"{name} is {wide} pixels wide on a screen of {screen}"
            assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)"), name
            assert page.evaluate(UNDISTORTED), f"{name} stretches a picture"
            assert page.evaluate("document.documentElement.dataset.theme") == mode
            page.screenshot(path=SCREENSHOTS / f"{width}-{mode}-{name}.png")
        assert page.errors == [] and not [url for url in page.asked if not url.startswith(("file:", "data:"))]


NOTHING_CUT = (
    """[...document.querySelectorAll("div.cell_output pre")].every(pre => pre.scrollWidth <= pre.clientWidth)"""
)
CHARACTERS = """() => {
    const code = document.querySelector("div.cell_input pre"), ruler = document.createElement("span");
    ruler.textContent = "0".repeat(100);
    code.append(ruler);
    const {paddingLeft, paddingRight} = getComputedStyle(code);
    return 100 * (code.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight)) / ruler.offsetWidth;
}"""


@pytest.mark.parametrize("width", [1280, 1920])
def test_on_a_projector_what_a_cell_printed_is_not_cut_and_a_line_of_code_hardly_ever(browser, width):
    with opened(browser, width) as page:
        for name in (name for name in PAGES if re.match(r"\d\d_", name)):
            page.goto((SITE / name).as_uri())
            assert page.evaluate(NOTHING_CUT), f"{name} cuts an output"
            assert page.evaluate(CHARACTERS) >= (100 if width == 1280 else 118), name


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_axe_finds_no_fault(browser, mode):
    """Contrast, names, landmarks, order: no violation of any impact, on any page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    faults = []
    with opened(browser, mode=mode) as page:
        for name in PAGES:
            page.goto((SITE / name).as_uri())
            page.wait_for_timeout(300)  # colours fade in
            faults += [f"{name}: {fault['id']}" for fault in axe.run(page).response["violations"]]
    assert not faults, faults


def test_axe_finds_no_fault_in_a_traceback(browser, tmp_path):
    """A page of ``make run`` on which a cell has failed: an error as a kernel colours it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Broken")])
    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0  # fails"))
    path = tmp_path / "01_broken.ipynb"
    nbformat.write(notebook, path)
    executed, failure = pages.execute(path)
    assert "ZeroDivisionError" in failure
    site.make_book({"01_broken": executed}, tmp_path / "book")
    for mode in ("light", "dark"):
        with opened(browser, mode=mode) as page:
            page.goto((tmp_path / "book" / "01_broken.html").as_uri())
            page.wait_for_timeout(300)
            assert "ZeroDivisionError" in page.inner_text("article")
            assert [fault["id"] for fault in axe.run(page).response["violations"]] == [], mode


def test_the_way_from_lesson_to_lesson_and_the_search(browser):
    lessons = [name for name in PAGES if re.match(r"\d\d_", name)]
    with opened(browser) as page:
        page.goto((SITE / lessons[0]).as_uri())
        for following in lessons[1:]:
            page.locator("a.right-next").click()
            assert page.url.endswith(following)
        page.goto((SITE / "search.html").as_uri() + "?q=roofline")
        page.locator("#search-results a", has_text="What does a convolution cost").first.wait_for(timeout=10_000)


def test_the_explorer_counts_as_conv_cost_does(browser):
    """Several hundred settings of its sliders, refusals included, against ``helpers.cost.conv_cost``."""
    generator = random.Random(0)
    with opened(browser) as page:
        page.goto((SITE / "explorer.html").as_uri())
        sliders = dict(page.evaluate("SLIDERS.map(([name, , values]) => [name, values])"))
        refused = 0
        for _ in range(400):
            chosen = {name: generator.randrange(len(values)) for name, values in sliders.items()}
            if generator.random() < 0.5:  # else nearly all are refused
                chosen["groups"] = generator.choice([0, 0, 1])
            page.evaluate(
                """chosen => {
                    const form = document.querySelector("#explorer");
                    for (const [name, index] of Object.entries(chosen)) form.elements[name].value = index;
                    form.dispatchEvent(new Event("input"));
                }""",
                chosen,
            )
            text = page.locator("#explorer-result").inner_text()
            settings = {name: sliders[name][index] for name, index in chosen.items()}
            try:
                cost = conv_cost(**settings, bias=False)
            except ValueError as error:
                refused += 1
                assert text.strip() == f"Refused: {error}.", settings
                continue
            rows = dict(line.split("\t") for line in text.splitlines() if "\t" in line)
            found = [int(rows[name].replace(",", "")) for name in ("parameters", "MACs", "activations")]
            assert found == [cost.params, cost.macs, cost.activations] and rows["kind"] == cost.kind, settings
            assert int(rows["bytes moved, at least"].replace(",", "")) == cost.bytes, settings
            assert rows["FLOPs a byte"] == f"{cost.arithmetic_intensity:.1f}", settings
            assert rows["output"] == "×".join(map(str, cost.output_shape)), settings
            assert rows["spans"] == f"{cost.receptive_field}×{cost.receptive_field} pixels", settings
        assert 50 < refused < 350


def test_on_a_phone_a_wide_figure_keeps_a_width_at_which_its_letters_are_read(browser):
    with opened(browser, WIDTHS["phone"]) as page:
        page.goto((SITE / "05_no_augmentation.html").as_uri())
        box = page.locator("img.wide").last.bounding_box()
        assert box["width"] == 600 and 200 < box["height"] < 300  # 12 inches by less than 5
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["phone"]


def test_a_tap_on_a_figure_opens_it_and_on_paper_code_wraps(browser):
    with opened(browser, WIDTHS["phone"]) as page:
        page.goto((SITE / "03_cost.html").as_uri())
        page.locator(".cell_output a.image-reference").first.click()
        assert page.url.endswith(".png")
        page.go_back()
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.querySelector('.cell_input pre')).whiteSpace") == "pre-wrap"


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
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2)
                break
            except OSError:
                time.sleep(1)
        else:
            pytest.fail((tmp_path / "lab.log").read_text()[-2000:])
        yield address, tmp_path
    finally:
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
