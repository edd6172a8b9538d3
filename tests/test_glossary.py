"""The glossary's terms are explained where it says, and the history's lines are in order, each with its source."""

import re

import nbformat
import pytest
from conftest import NOTEBOOKS

from helpers.publishing.site import sections_of

FOLDER = NOTEBOOKS[0].parent
GLOSSARY = (FOLDER / "GLOSSARY.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^\| (.+?) \| (.+) \| (\d\d), section (\d+) \|$", GLOSSARY, re.MULTILINE)
HISTORY = (FOLDER / "HISTORY.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| (\d{4}) \| (.+) \| (.+) \|$", HISTORY, re.MULTILINE)


def section(notebook, number):
    """Return all that stands in a section of a notebook, texts and code, in small letters."""
    (path,) = FOLDER.glob(f"{notebook}_*.ipynb")
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    found = [title + body for title, body in sections_of(text).items() if title.startswith(f"{number}. ")]
    return "".join(found).lower()


def test_terms_are_in_the_order_of_the_alphabet_each_once():
    names = [term.lower() for term, *_ in TERMS]
    assert len(names) > 60 and names == sorted(set(names))


@pytest.mark.parametrize(("term", "line", "notebook", "number"), TERMS, ids=[term for term, *_ in TERMS])
def test_a_term_stands_in_the_section_that_explains_it(term, line, notebook, number):
    text = section(notebook, number)
    assert all(word[:6] in text for word in re.findall(r"[\w.-]+", term.lower())) and len(line) < 130


def test_history_is_in_the_order_of_the_years_and_names_its_sources():
    years = [int(year) for year, *_ in LINES]
    assert len(years) >= 15 and years == sorted(years)
    assert all("*" in source or "arXiv:" in source for *_, source in LINES)
