"""The slides: one idea each, figures alone, no code that only imports or checks, and no script but reveal.js."""

import json
import re

import nbformat
import pytest

from helpers.publishing import slides
from helpers.publishing.site import WIDGET


@pytest.fixture
def laid_out(course):
    """The cells of the small course's first notebook, laid out; some cells are added that need it."""

    def change(notebook):
        code = [
            ("import os\nassert os", ""),
            ("total = 1\nassert (\n    total == 1\n)\nprint(total)", "1\n"),
            ("for row in rows:\n    print(row)", "".join(f"row {i}\n" for i in range(62))),
        ]
        for source, text in reversed(code):
            outputs = [nbformat.v4.new_output("stream", text=text)] if text else []
            notebook.cells.insert(6, nbformat.v4.new_code_cell(source, outputs=outputs))
        text = "*In the picture: bars.*\n\nThey rise.\n\n## 13. More\n\nAnd fall."
        notebook.cells.insert(6, nbformat.v4.new_markdown_cell(text))

    notebook = nbformat.read(course(change), as_version=4)
    slides.lay_out(notebook)
    return notebook.cells


def place(cells, source):
    (cell,) = [cell for cell in cells if cell.source == source and not cell.metadata.get("transient")]
    return cell.metadata["slideshow"]["slide_type"]


def test_sections_and_ideas_begin_slides(laid_out):
    assert place(laid_out, "They rise.") == "subslide"
    assert place(laid_out, "## 13. More\n\nAnd fall.") == "slide"
    assert place(laid_out, 'print(f"{images:,} images")') == "-"  # below the text that leads to it


def test_a_figure_stands_alone_and_is_described_in_the_notes(laid_out):
    (at,) = [i for i, cell in enumerate(laid_out) if slides.is_figure(cell)]
    assert [cell.metadata["slideshow"]["slide_type"] for cell in laid_out[at - 1 : at + 1]] == ["subslide", "-"]
    assert laid_out[at - 1].source == "### 12. Counting"  # the title of its section
    assert laid_out[at].metadata["transient"]["remove_source"]
    assert place(laid_out, "In the picture: bars.") == "notes"
    assert laid_out[at + 2].metadata["slideshow"]["slide_type"] == "subslide"


def test_imports_checks_set_up_and_solutions_are_left_out(laid_out):
    sources = [cell.source for cell in laid_out]
    assert "total = 1\nprint(total)" in sources
    assert not [source for source in sources if re.search(r"import os|assert|set_up|<details>|Your turn", source)]


def test_a_long_output_is_shortened(laid_out):
    (output,) = [out.text for cell in laid_out for out in cell.get("outputs", []) if "row 0" in out.get("text", "")]
    assert output.startswith("row 0\n") and output.endswith("row 61\n") and "46 more lines" in output
    assert output.count("\n") <= slides.LINES


def test_a_notebook_that_colab_saved_becomes_slides(course, tmp_path):
    """Its cells have no id; and a raw cell is none for a slide."""

    def change(notebook):
        notebook.cells.insert(4, nbformat.v4.new_raw_cell("raw"))

    path = course(change)
    before = nbformat.read(path, as_version=4)
    for cell in before.cells:
        del cell["id"]
    before.nbformat_minor = 0
    path.write_text(json.dumps(before), encoding="utf-8")
    slides.write_slides(path, tmp_path / "slides")
    assert ">raw<" not in (tmp_path / "slides" / "01_first.slides.html").read_text(encoding="utf-8")


def test_slides_fetch_reveal_and_nothing_else(course, tmp_path):
    slides.write_slides(course(), tmp_path, "reveal.js")
    text = (tmp_path / "01_first.slides.html").read_text(encoding="utf-8")
    fetched = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="([^"]*)"', text)
    assert {address for address in fetched if not address.startswith("data:")} == {
        "reveal.js/dist/reveal.css",
        "reveal.js/dist/reveal.js",
        "reveal.js/dist/theme/simple.css",
        "reveal.js/plugin/notes/notes.js",
    }
    assert "require(" not in text and "MathJax" not in text and 'href="02_second.slides.html"' in text


def test_every_link_leads_to_a_deck(course):
    def change(notebook):
        notebook.cells[-1].source += " [03](03_cost.ipynb#macs), [teachers](TEACHING.md), [web](https://x.org/a.html)."
        data = {WIDGET: {"model_id": "1"}}
        notebook.cells[-2:-2] = [nbformat.v4.new_code_cell("0", outputs=[nbformat.v4.new_output("display_data", data)])]

    path = course(change)
    slides.write_slides(path, path.parent / "slides")
    (deck,) = (path.parent / "slides").iterdir()
    links = set(re.findall(r'<a [^>]*href="([^"#]*)', deck.read_text(encoding="utf-8")))
    assert "03_cost.slides.html" in links and "https://x.org/a.html" in links
    assert all(link.endswith(".slides.html") for link in links if link and "://" not in link)


def test_an_answer_appears_a_step_after_its_question(course):
    def change(notebook):
        notebook.cells[3].source += " How many are that?"

    notebook = nbformat.read(course(change), as_version=4)
    slides.lay_out(notebook)
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in notebook.cells if cell.get("outputs")]
    assert kinds[0] == "fragment" and "images" in notebook.cells[2].source


def test_long_code_is_parted_where_a_statement_begins():
    function = "def f(x):\n" + "    x += 1\n" * 12 + "    return x"
    pieces = slides.in_pieces(f"{function}\n\n\n{function}")
    assert pieces == [function, function]
    pieces = slides.in_pieces("if True:\n" + "    print()\n" * 50)
    assert all(slides.lines_of(piece.splitlines()) <= slides.LINES for piece in pieces)
    assert "\n".join(pieces).count("print()") == 50


def test_the_decks_of_45_minutes_hold_the_sections_that_the_teachers_page_names(notebook_path):
    """Every lesson has one, shorter than the whole, or as long where the page says so."""
    sections = slides.short_decks()[notebook_path.stem]
    notebook = nbformat.read(notebook_path, as_version=4)
    slides.shorten(notebook, sections)
    headings = re.findall(r"^## (\d+)\.", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    assert {int(number) for number in headings} == sections
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert text.startswith("# ") and "\n## What was learned" in text and "\n## Exercises" not in text
    assert not any("exercise" in cell.metadata.get("tags", []) for cell in notebook.cells)
