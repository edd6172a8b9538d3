"""The book: the notebooks as a site with search, by Sphinx: ``python -m helpers.publishing.site`` (``make site``).

Every notebook as it is stored, none is executed, and the pages around them. It needs no other host, so it works from
disk, and as it is on GitHub Pages or any web server. ``helpers.publishing.pages`` makes the same book of notebooks that
it has executed. Sphinx does the work (MyST-NB reads the notebooks, the book theme draws them); what is here prepares
copies of the sources: folds, links, descriptions of figures.
"""

import base64
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from helpers.publishing.badges import ANY_BADGE, address, is_placeholder
from helpers.publishing.cheatsheet import cheat_sheet
from helpers.records import REPOSITORY

BOOK = REPOSITORY / "helpers" / "publishing" / "book"
WIDGET = "application/vnd.jupyter.widget-view+json"
ALT = re.compile(r"\*In the picture:\s*(.+?)\*(?:\n\n|$)", re.DOTALL)
OUTLINE = re.compile(r"^Outline: .*?(?:\n\n|\Z)", re.MULTILINE | re.DOTALL)
PERCENT = re.compile(r"(`[^`]*`)|(?<=\d) (?=%)")  # code, which stays as it is, or the space of "87 %"
WITH_SLIDERS = ("02_convolutions", "03_cost")  # lessons that the explorer goes with
WIDE = 600  # pixels; a phone shows such a figure at that width, and scrolls it
LONG = 25  # lines of printed output; more are folded
# To a file, not to another host or within the page; its words may hold another pair of brackets. Or code, which stays.
LINK = re.compile(
    r"(?s:```.*?```)|`[^`]*`|(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!\w+:|#)([^()\s#]+)((?:#[^()\s]*)?)\)"
)
PAGES = {  # beside the lessons: the file that each is made from
    "README.md": "index.md",
    "CONTRIBUTING.md": "helpers.md",
    "notebooks/TEACHING.md": "teaching.md",
    "notebooks/GLOSSARY.md": "glossary.md",
    "notebooks/HISTORY.md": "history.md",
    "notebooks/COUNTERS.md": "counters.md",
}


def title_of(notebook, path):
    """Return the title of a notebook, its first heading, or the name of its file where it has none."""
    found = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE) if notebook.cells else None
    return found[1].strip() if found else path.stem


def describe_figures(notebook):
    """Give every figure the text of the ``*In the picture: …*`` that follows it, for those who do not see it."""
    for cell, following in zip(notebook.cells, notebook.cells[1:], strict=False):
        found = ALT.search(following.source) if following.cell_type == "markdown" else None
        for output in cell.get("outputs", []) if found else []:
            if "image/png" in output.get("data", {}):
                output.metadata["alt"] = " ".join(found[1].split())


def drop_widgets(notebook):
    """Say in place of a slider that there is one: a page cannot compute."""
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                words = "Here the notebook has sliders: [the explorer](explorer.html) has them, too."
                output.data = {"text/markdown": words}


def fold(notebook):
    """Fold the code between the first text and the next, set-up and imports; and long logs, wherever they stand."""
    leading = True
    for number, cell in enumerate(notebook.cells[1:]):
        leading = leading and cell.cell_type == "code"
        if leading:
            _hide(cell, "input", "Imports" if number else "Set-up")
        elif cell.cell_type == "code" and sum(o.get("text", "").count("\n") for o in cell.outputs) > LONG:
            _hide(cell, "output", "The output, line by line")


def _hide(cell, what, name):
    cell.metadata["tags"] = [*cell.metadata.get("tags", []), f"hide-{what}"]
    cell.metadata["mystnb"] = {"code_prompt_show": name, "code_prompt_hide": name}


def dress_figures(notebook):
    """Give every figure its description and its width in pixels of the page: a tap on it shows it large."""
    describe_figures(notebook)
    for cell in notebook.cells:
        cell.source = ALT.sub("", cell.source) if cell.cell_type == "markdown" else cell.source
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                (stored,) = struct.unpack(">I", base64.b64decode(output.data["image/png"][:64])[16:20])
                width = output.metadata.get("image/png", {}).get("width", stored)  # half of it, in twice the resolution
                image = {"alt": output.metadata.get("alt", "a figure"), "width": f"{width}px"}
                image |= {"classes": "wide"} if width > WIDE else {}
                cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | {"image": image}


def links_of_the_book(text, base="notebooks"):
    """Return Markdown of a file in the folder ``base`` whose links lead from page to page, or out into the repository.

    While the repository's address is a placeholder, only the words are left of a link into it. Badges go: a button of
    the page opens Colab. No line ends between a number and its %.
    """

    def lead(found):
        mark, words, target, anchor = found.groups()
        if target is None:
            return found[0]
        file = os.path.normpath(os.path.join(base, target)).replace(os.sep, "/")
        if mark or file in PAGES or Path(file).suffix == ".ipynb":
            return f"{mark}[{words}]({PAGES.get(file, file.removeprefix('notebooks/'))}{anchor})"
        return words if is_placeholder() else f"[{words}]({address()}/blob/main/{file})"

    text = PERCENT.sub(lambda found: found[1] or "\N{NO-BREAK SPACE}", text)
    return LINK.sub(lead, re.sub(rf"{ANY_BADGE.pattern}\s*", "", text))


def prepare(notebook):
    """Return a copy of ``notebook`` as the book shows it."""
    notebook = nbformat.from_dict(notebook)
    notebook.metadata.setdefault("language_info", {"name": "python", "pygments_lexer": "ipython3"})
    drop_widgets(notebook)
    fold(notebook)
    dress_figures(notebook)  # last: it adds to what a fold says of a cell
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = links_of_the_book(OUTLINE.sub("", cell.source))
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip() or cell.cell_type == "code"]
    return notebook


def sections_of(text):
    """Return a Markdown text as ``{heading: section}``; what stands before the first heading of level 2 is under ""."""
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


def name_of(file):
    """Return what a lesson is called in the sidebar: "3. Cost" for 03_cost; a file without a number as it is."""
    number, _, words = file.partition("_")
    return f"{int(number)}. {words.replace('_', ' ').capitalize()}" if number.isdecimal() else file


def write_sources(notebooks, folder):
    """Write what Sphinx reads into ``folder``: the ``notebooks``, prepared, and the pages around them."""
    shutil.copytree(BOOK, folder, dirs_exist_ok=True)
    for name, notebook in notebooks.items():
        notebook = prepare(notebook)
        if name in WITH_SLIDERS:
            notebook.cells[0].source += "\n\n**With sliders:** [the explorer](explorer.md), on a phone as well."
        nbformat.write(notebook, folder / f"{name}.ipynb")
    whole = {file: page for file, page in PAGES.items() if file.startswith("notebooks/")}
    pages = {page: links_of_the_book((REPOSITORY / file).read_text(encoding="utf-8")) for file, page in whole.items()}
    readme, contributing = (
        sections_of(links_of_the_book((REPOSITORY / file).read_text(encoding="utf-8"), ""))
        for file in ("README.md", "CONTRIBUTING.md")
    )
    pages["start.md"] = "# Start here\n\n" + "".join(f"## {name}\n{readme[name]}" for name in START)
    pages["sheet.md"] = cheat_sheet()
    pages["results.md"] = f"# Results\n{readme['Results']}"
    the_map = contributing["Where things are"]
    modules = re.findall(r"^\| `([\w.]+)` \|", the_map, re.MULTILINE)
    pages["helpers.md"] = f"# The helpers\n{the_map}" + "".join(map(reference, modules))
    title, opening = readme[""].split("\n", 1)
    titles = {name: title_of(notebook, Path(name)) for name, notebook in notebooks.items()}
    lessons = "\n".join(f"| {name_of(name)} | [{title}]({name}.ipynb) |" for name, title in titles.items())
    contents = "\n".join(f"{name_of(name)} <{name}>" for name in notebooks)
    pages["index.md"] = INDEX.format(title=title, opening=opening, lessons=lessons, contents=contents)
    for page, text in pages.items():
        (folder / page).write_text(text, encoding="utf-8")
    shutil.copytree(REPOSITORY / "images", folder / "images", ignore=shutil.ignore_patterns("cifar10_sample"))


START = ("Two commands", "Your own run", "In Colab", "In class", "The data", "Several GPUs")
INDEX = """\
{title}
{opening}

## The lessons

| lesson | the question that it answers |
| --- | --- |
{lessons}

```{{toctree}}
:hidden:
:caption: The course

start
```

```{{toctree}}
:hidden:
:caption: Lessons

{contents}
```

```{{toctree}}
:hidden:
:caption: Beside the lessons

The explorer <explorer>
On one sheet <sheet>
results
glossary
History <history>
Counters <counters>
teaching
helpers
```
"""


def reference(module):
    """Return the part of the page of helpers that is made from the docstrings of ``module``."""
    return f"\n## `helpers.{module}`\n\n```{{eval-rst}}\n.. automodule:: helpers.{module}\n   :members:\n```\n"


def make_book(notebooks, folder):
    """Make the book of ``notebooks``, ``{name of the file: notebook}``, in ``folder``."""
    with tempfile.TemporaryDirectory() as place:
        source, kept, made = (Path(place) / part for part in ("source", "doctrees", "book"))
        write_sources(notebooks, source)
        command = [sys.executable, "-m", "sphinx", "--quiet", "-d", str(kept), str(source), str(made)]
        subprocess.run(command, cwd=REPOSITORY, check=True)
        shutil.copytree(made, folder, dirs_exist_ok=True)  # MyST-NB leaves a folder of its own beside what it makes


def main():
    """Make the book of all notebooks, as they are stored, in ``build/site/``."""
    paths, folder = sorted((REPOSITORY / "notebooks").glob("*.ipynb")), REPOSITORY / "build" / "site"
    shutil.rmtree(folder, ignore_errors=True)
    make_book({path.stem: nbformat.read(path, as_version=4) for path in paths}, folder)
    print(f"{len(paths)} lessons are in {folder}: open index.html, or publish the folder.")


if __name__ == "__main__":
    main()
