"""The site: pages that lead to one another, need no script and no other host, and describe their figures."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import nbformat
import pytest

from helpers.publishing import site
from helpers.publishing.badges import badge


class Page(HTMLParser):
    """What a browser would fetch for a page, where its links lead, and what its pictures say."""

    def __init__(self, path):
        super().__init__()
        self.fetched, self.links, self.alts, self.scripts = [], [], [], 0
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.scripts += tag == "script"
        if tag == "a":
            self.links.append((attributes.get("rel"), attributes.get("href", "")))
        elif tag in ("script", "img", "link", "iframe"):
            self.fetched.append(attributes.get("src") or attributes.get("href") or "")
        if tag == "img":
            self.alts.append(attributes.get("alt"))


@pytest.fixture
def pages(course, tmp_path):
    """The pages of the small course, by name; its first notebook has a described figure, a slider and links."""

    def change(notebook):
        notebook.cells[3].source += " See [how](../helpers/records.py), [all](../README.md)."
        notebook.cells.insert(6, nbformat.v4.new_markdown_cell('*In the picture: bars of "cost".*\n\nThey rise.'))
        slider = nbformat.v4.new_output("display_data", {site.WIDGET: {"model_id": "1"}, "text/plain": "interactive()"})
        notebook.cells[4].outputs.append(slider)
        notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}

    folder = course(change).parent
    paths = sorted(folder.glob("*.ipynb"))
    before = [path.read_bytes() for path in paths]
    site.make_site(paths, tmp_path / "site")
    assert [path.read_bytes() for path in paths] == before
    return {path.name: Page(path) for path in (tmp_path / "site").glob("*.html")}


def test_pages_need_no_script_and_no_other_host(pages):
    assert set(pages) == {"index.html", "01_first.html", "02_second.html"}
    for page in pages.values():
        assert page.scripts == 0
        assert not [address for address in page.fetched if re.match(r"(https?:)?//", address)]
        assert 'name="viewport"' in page.text


def test_lessons_lead_to_one_another(pages, tmp_path):
    first, second = pages["01_first.html"], pages["02_second.html"]
    assert first.links.count(("next", "02_second.html")) == 2 and not [rel for rel, _ in first.links if rel == "prev"]
    assert second.links.count(("prev", "01_first.html")) == 2 and not [rel for rel, _ in second.links if rel == "next"]
    assert [link for _, link in pages["index.html"].links if link.endswith("_first.html")]
    for page in pages.values():
        for _, link in page.links:
            file = unquote(link.split("#")[0])
            assert not file or file.startswith("https://") or (tmp_path / "site" / file).is_file(), link


def test_links_out_of_the_course_go_to_the_repository(pages):
    links = [link for _, link in pages["01_first.html"].links]
    assert f"{site.address()}/blob/main/helpers/records.py" in links and "index.html" in links
    colab = site.BADGE.fullmatch(badge("01_first.ipynb"))[1]
    assert colab in links and colab in [link for _, link in pages["index.html"].links]


def test_set_up_is_folded_and_the_lesson_is_not(pages):
    page = pages["01_first.html"].text
    folded = re.findall(r"<details><summary>(.+?)</summary>(.+?)</details>", page, re.DOTALL)
    assert [name for name, _ in folded] == ["Set-up", "Imports", "Solution", "Solution"]
    assert "set_up" in folded[0][1] and "50_000" in re.sub("<.*?>", "", folded[1][1])
    assert "Mode: full." not in "".join(code for _, code in folded) and "Mode: full." in page


def test_figures_are_described_and_sliders_named(pages):
    page = pages["01_first.html"]
    assert page.alts == ['bars of "cost".']
    assert "interactive()" not in page.text and "sliders" in page.text
    assert pages["02_second.html"].alts == ["a figure"]


def test_index_tells_what_the_course_is_and_what_came_of_it(pages):
    index = pages["index.html"]
    assert "A course in notebooks" in index.text and "session_62" in index.text and "Two commands" not in index.text
    assert index.fetched and all(re.match(r"images/", address) for address in index.fetched)


def test_title_of_a_page_is_that_of_its_lesson(pages):
    assert "<title>How many?</title>" in pages["01_first.html"].text
