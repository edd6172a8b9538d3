"""The book: its pages lead to one another, ask no other host, fold, describe their figures, name no placeholder."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import pytest
from conftest import write_course
from PIL import Image

from helpers.publishing import site
from helpers.records import REPOSITORY


class Page(HTMLParser):
    """What a browser would fetch for a page, where its links lead, what its pictures say, and what is read."""

    def __init__(self, path):
        super().__init__()
        self.fetched, self.links, self.images, self.words = [], [], [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a":
            self.links.append((attributes.get("class") or "", attributes.get("href", "")))
        elif tag in ("script", "img", "link", "iframe"):
            self.fetched.append(attributes.get("src") or attributes.get("href") or "")
        if tag == "img":
            self.images.append(attributes)

    def handle_data(self, data):
        self.words.append(data)


def figure(width=60):
    """Return a PNG, ``width`` pixels wide, as a notebook stores it."""
    file = io.BytesIO()
    Image.new("RGB", (width, 20), "white").save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def change(notebook):
    """Give the first notebook of the small course a described figure, a slider, links, and a long log."""
    notebook.cells[3].source += " See [how](../helpers/records.py), [all](../README.md)."
    notebook.cells[0].source += "\n\nOutline: 1. one · 2. two"
    notebook.cells.insert(6, nbformat.v4.new_markdown_cell('*In the picture: bars of "cost".*\n\nThey rise.'))
    notebook.cells[5].outputs[0].data["image/png"] = figure()
    slider = nbformat.v4.new_output("display_data", {site.WIDGET: {"model_id": "1"}, "text/plain": "interactive()"})
    notebook.cells[4].outputs += [slider, nbformat.v4.new_output("stream", text="EPOCH: a line\n" * 40)]
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The folder of the book of the small course, and its pages by name."""
    place = tmp_path_factory.mktemp("course")
    paths = sorted(write_course(place, change).parent.glob("*.ipynb"))
    before = [path.read_bytes() for path in paths]
    site.make_book({path.stem: nbformat.read(path, as_version=4) for path in paths}, place / "book")
    assert [path.read_bytes() for path in paths] == before
    return place / "book", {path.name: Page(path) for path in (place / "book").glob("*.html")}


def test_nothing_is_asked_of_another_host(book):
    folder, pages = book
    assert {"index.html", "start.html", "01_first.html", "02_second.html", "explorer.html"} < set(pages)
    for page in pages.values():
        assert not [address for address in page.fetched if re.match(r"(https?:)?//", address)]
        assert str(REPOSITORY) not in page.text  # nor is this machine named
    for style in folder.rglob("*.css"):
        assert not re.search(r"(url\(|@import )['\"]?(https?:)?//", style.read_text(encoding="utf-8"))


def test_no_line_ends_between_a_number_and_its_percent_sign():
    assert site.links_of_the_book("10 % of `5 % 2`, 5 %") == "10\N{NO-BREAK SPACE}% of `5 % 2`, 5\N{NO-BREAK SPACE}%"


def test_code_that_looks_like_a_link_stays():
    for code in ("`layers[0](x)`", "```python\ny = layers[0](x) + net[-1](y)\n```"):
        assert site.links_of_the_book(f"{code} [cost](03_cost.ipynb)") == f"{code} [cost](03_cost.ipynb)"
    assert site.links_of_the_book("[`helpers/data`](../CONTRIBUTING.md)") == "[`helpers/data`](helpers.md)"


def test_every_link_within_the_book_leads_somewhere(book):
    folder, pages = book
    for name, page in pages.items():
        for _, link in page.links:
            file = unquote(link.split("#")[0])
            assert not file or re.match(r"(https://|mailto:)", file) or (folder / file).is_file(), (name, link)


def test_lessons_lead_to_one_another(book):
    pages = book[1]
    assert ("right-next", "02_second.html") in pages["01_first.html"].links
    assert ("left-prev", "01_first.html") in pages["02_second.html"].links
    assert "1. First" in pages["02_second.html"].text  # in the sidebar


def test_while_the_address_is_a_placeholder_nothing_leads_to_it(book):
    """Words stand where links would lead nowhere."""
    pages = book[1]
    if not site.is_placeholder():
        pytest.skip("the address is set")
    for name, page in pages.items():
        led = [*page.fetched, *(link for _, link in page.links)]
        assert not [link for link in led if "OWNER" in link or "colab.research" in link], name
    assert "See how, all." in " ".join("".join(pages["01_first.html"].words).split())


def test_with_an_address_every_lesson_has_its_buttons(tmp_path):
    """As ``make badges`` sets it: in a copy of the course."""
    for part in ("helpers", "images"):
        shutil.copytree(REPOSITORY / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "notebooks").mkdir()
    texts = ("README.md", "CONTRIBUTING.md", *(file for file in site.PAGES if "notebooks/" in file))
    for file in (*texts, "notebooks/04_network.ipynb"):
        shutil.copy(REPOSITORY / file, tmp_path / file)
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    project = re.sub(r'"https://github.com/[^"]*"', '"https://github.com/school/advanced-convolutions"', project)
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    command = [sys.executable, "-m", "helpers.publishing.site"]
    subprocess.run(command, cwd=tmp_path, check=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    page = Page(tmp_path / "build" / "site" / "04_network.html")
    links = [link for _, link in page.links]
    course = "https://github.com/school/advanced-convolutions"
    assert course in links
    notebook = f"{course.removeprefix('https://')}/blob/main/notebooks/04_network.ipynb".replace(".com", "", 1)
    assert f"https://colab.research.google.com/{notebook}" in links
    start = Page(tmp_path / "build" / "site" / "start.html")
    assert f"{course}/blob/main/images/cifar10_sample/README.md" in [link for _, link in start.links]


def test_set_up_imports_and_logs_are_folded_and_the_lesson_is_not(book):
    page = book[1]["01_first.html"].text
    folded = re.findall(r"<details.*?</details>", page, re.DOTALL)
    names = [found[1] for part in folded if (found := re.search(r'"collapsed[^>]*>(.*?)</p>', part))]
    assert names == ["Set-up", "Imports", "The output, line by line"]
    assert "set_up" in folded[0] and "50_000" in re.sub("<.*?>", "", folded[1]) and "a line" in folded[2]
    assert sum("Solution" in part for part in folded) == 2 and "Mode: full." not in "".join(folded[:2])
    assert "Outline:" not in page


def test_figures_are_described_once_and_open_large(book):
    page = book[1]["01_first.html"]
    (image,) = [image for image in page.images if image["alt"] == 'bars of "cost".']
    assert "_images/" in image["src"] and "In the picture" not in page.text and "They rise." in page.text
    assert image["src"] in [link for _, link in page.links] and image["style"] == "width: 60px;"


def test_sliders_are_sent_to_the_explorer(book):
    page = book[1]["01_first.html"]
    assert "interactive()" not in page.text and "explorer.html" in [link for _, link in page.links]


def test_pages_around_the_lessons_say_what_they_are_for(book):
    pages = book[1]
    index = " ".join(pages["index.html"].words)
    assert "A course in notebooks" in index and "How many?" in index and "Two commands" not in index
    assert "make run" in pages["start.html"].text and "session_62" in pages["results.html"].text
    assert "In 45 minutes" in pages["teaching.html"].text and "LeNet" in pages["history.html"].text
    assert "torchinfo" in pages["counters.html"].text
    assert "helpers.cost.formula.conv_cost" in pages["helpers.html"].text  # made from its docstring
    assert "<title>How many?" in pages["01_first.html"].text and '<html lang="en"' in pages["01_first.html"].text
