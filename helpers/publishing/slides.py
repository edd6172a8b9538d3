"""The notebooks as slides: ``python -m helpers.publishing.slides`` (``make slides``), in ``build/slides/``.

Every notebook as it is stored. Where a notebook's own slide metadata say only "like the cell before", the slides are
laid out here: one idea a slide. A text begins a slide; short code and its output stand below it. Where the text asks,
the output appears one step later. A figure has a slide of its own, under the title of its section and without the code
that drew it, and the words that describe it go to the speaker's notes (key S). Imports, set-up, solutions and bare
checks are left out. ``--short`` makes the decks of 45 minutes that ``notebooks/TEACHING.md`` describes.

The slides fetch reveal.js from its public address. For a room without a network, fetch it before (``npm pack
reveal.js@4.0.2``, unpack it), and ``python -m helpers.publishing.slides --reveal package`` puts a copy beside them.
"""

import argparse
import ast
import copy
import itertools
import re
import shutil
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

from helpers.publishing.site import ALT, describe_figures, drop_widgets, links_of_the_book, title_of
from helpers.publishing.student import HINT, SOLUTION, without_folded
from helpers.records import REPOSITORY

REVEAL = "https://unpkg.com/reveal.js@4.0.2"
TEMPLATES = REPOSITORY / "helpers" / "publishing" / "templates"
LINES = 19  # of a slide, at a size that is read from the back row
COLUMNS, COLUMNS_OF_CODE = 90, 78  # of a line
PAGE_OF_THE_BOOK = re.compile(r"\[([^\[\]]*)\]\([\w-]+\.(?:md|html)(?:#[^()]*)?\)")
SHORT = re.compile(r"^## (\w+): .*?\*\*In 45 minutes\.\*\* Sections ([\d, to]+)\.", re.MULTILINE | re.DOTALL)


def height(cell):
    """Return about how many lines of a slide the cell takes: its text or code, and its output."""
    lines = cell.source.splitlines()
    if cell.cell_type == "markdown":
        return sum(1 if not line else -(-len(line) // COLUMNS) * (2 if line.startswith("#") else 1) for line in lines)
    hidden = cell.metadata.get("transient", {}).get("remove_source")
    shown = [] if hidden else lines
    return lines_of(shown) + sum(lines_of(text_of(output).splitlines()) + 1 for output in cell.outputs)


def lines_of(code):
    """Return how many lines of a slide these lines of code or of output take: long ones are wrapped."""
    return sum(max(1, -(-len(line) // COLUMNS_OF_CODE)) for line in code)


def text_of(output):
    return output.get("text") or output.get("data", {}).get("text/plain", "")


def is_figure(cell):
    return cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs)


def without_checks(source):
    """Return code without its top-level imports and assertions; they prove what is said, and are not said in class."""
    try:
        nodes = ast.parse(source).body
    except SyntaxError:  # IPython's own syntax
        return source
    lines = source.splitlines()
    for node in nodes:
        if isinstance(node, ast.Assert | ast.Import | ast.ImportFrom):
            lines[node.lineno - 1 : node.end_lineno] = [None] * (node.end_lineno - node.lineno + 1)
    return "\n".join(line for line in lines if line is not None).strip()


def matters(cell):
    """Say whether a cell is worth a slide: not the set-up or an answer, and not one that only imports or checks."""
    skipped = cell.metadata.get("slideshow", {}).get("slide_type") == "skip"
    if skipped or cell.cell_type == "raw" or {"set-up", "exercise"} & set(cell.metadata.get("tags", [])):
        return False
    return bool(cell.source.strip()) and (cell.cell_type != "code" or bool(cell.outputs or without_checks(cell.source)))


def shortened(cell):
    """Leave out the middle of a long printed output, such as the log of a training run."""
    for output in cell.get("outputs", []):
        lines = output.get("text", "").splitlines()
        if len(lines) > LINES:
            output.text = "\n".join([*lines[:8], f"    … {len(lines) - 16} more lines …", *lines[-8:]]) + "\n"


def in_pieces(source):
    """Return code as pieces that fit on a slide each, parted where a statement begins, or else within a long one."""
    try:
        nodes = ast.parse(source).body[1:]
    except SyntaxError:  # IPython's own syntax
        nodes = []
    begins = [min(part.lineno for part in (node, *getattr(node, "decorator_list", []))) - 1 for node in nodes]
    lines, pieces = source.splitlines(), [[]]
    for begin, end in itertools.pairwise([0, *begins, len(lines)]):
        if pieces[-1] and lines_of(pieces[-1] + lines[begin:end]) > LINES:
            pieces.append([])
        for line in lines[begin:end]:
            if pieces[-1] and lines_of([*pieces[-1], line]) > LINES:
                pieces.append([])
            pieces[-1].append(line)
    return ["\n".join(piece).strip("\n") for piece in pieces]


def parts(cell):
    """Return the cell as those cells that stand on slides.

    A text is parted before its headings; a figure goes without its code; code stands before its output, in pieces.
    """
    if cell.cell_type == "markdown":
        texts = re.split(r"^(?=#+ )", ALT.sub("", cell.source), flags=re.MULTILINE)
        return [nbformat.v4.new_markdown_cell(text.strip()) for text in texts if text.strip()]
    shortened(cell)
    cell.source = without_checks(cell.source)
    without_code = copy.deepcopy(cell)
    without_code.id += "-output"
    without_code.metadata["transient"] = {"remove_source": True}
    if is_figure(cell) or not cell.source:
        return [without_code]
    pieces = []
    for number, source in enumerate(in_pieces(cell.source)):
        pieces.append(copy.deepcopy(cell))
        pieces[-1].update(source=source, outputs=[], id=f"{cell.id}-{number}")
    return [*pieces, without_code] if cell.outputs else pieces


def text_cell(source, kind):
    """Return a new text that has its place on the slides already."""
    return nbformat.v4.new_markdown_cell(source, metadata={"slideshow": {"slide_type": kind}})


def notes_of(cell):
    """Return a cell of speaker's notes with what the text says of the figure before it, or None."""
    found = ALT.search(cell.source) if cell.cell_type == "markdown" else None
    return text_cell(f"In the picture: {found[1]}", "notes") if found else None


def lay_out(notebook):
    """Give each cell of ``notebook`` that matters its place: a slide for a section, one below it for each idea."""
    without_folded(notebook, HINT, SOLUTION)
    laid, room, asked, section = [], 0, False, ""
    for original in filter(matters, notebook.cells):
        if note := notes_of(original):
            laid.append(note)
        own = original.metadata.get("slideshow", {}).get("slide_type", "-")
        for cell in parts(original):
            answer = cell.cell_type == "code" and bool(cell.outputs)
            if re.match(r"##? ", cell.source) or not laid:
                kind, section = "slide", re.sub(r"^#+ ", "", cell.source.split("\n")[0])
            elif own in ("fragment", "notes"):
                kind = own
            elif cell.cell_type == "markdown" or is_figure(cell) or height(cell) > room:
                kind = "subslide"
            else:
                kind = "fragment" if answer and asked else "-"
            if is_figure(cell) and kind == "subslide":
                laid.append(text_cell(f"### {section}", "subslide"))
                kind = "-"
            if kind in ("slide", "subslide"):
                room = LINES
            room = 0 if is_figure(cell) else room - height(cell)
            cell.metadata["slideshow"] = {"slide_type": kind}
            laid.append(cell)
            asked = "?" in cell.source if cell.cell_type == "markdown" else asked and not answer
    notebook.cells = laid


def short_decks():
    """Return ``{name of a notebook: the numbers of its sections}`` that TEACHING.md keeps when there are 45 minutes."""
    text = (REPOSITORY / "notebooks" / "TEACHING.md").read_text(encoding="utf-8")
    decks = {}
    for name, numbers in SHORT.findall(text):
        bounds = [[int(number) for number in part.split(" to ")] for part in numbers.split(", ")]
        decks[name] = {number for low, *high in bounds for number in range(low, (high or [low])[0] + 1)}
    return decks


def shorten(notebook, sections):
    """Leave out of ``notebook`` the numbered sections that are not among ``sections``, and the exercises."""
    keep = True
    for cell in notebook.cells:
        if cell.cell_type != "markdown":
            cell.source = cell.source if keep else ""
            continue
        texts, cell.source = re.split(r"^(?=## )", cell.source, flags=re.MULTILINE), ""
        for text in texts:
            if found := re.match(r"## (?:(\d+)\.)?(Exercises)?", text):
                keep = int(found[1]) in sections if found[1] else not found[2]
            cell.source += text if keep else ""
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]


def lead_to_slides(notebook):
    """Turn links to lessons into links to their decks; of a link to a page of the book only the words are left."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            source = PAGE_OF_THE_BOOK.sub(r"\1", links_of_the_book(cell.source))
            cell.source = re.sub(r"\.ipynb(#[^()]*)?\)", ".slides.html)", source)
        for output in cell.get("outputs", []):
            if "text/markdown" in output.get("data", {}):
                output.data["text/markdown"] = PAGE_OF_THE_BOOK.sub(r"\1", output.data["text/markdown"])


def write_slides(path, folder, reveal=REVEAL, sections=None):
    """Write the notebook at ``path`` as ``folder/NAME.slides.html``; ``reveal`` is the address of reveal.js.

    With ``sections``, a set of numbers, the deck holds only those of the notebook.
    """
    notebook = nbformat.v4.upgrade(nbformat.read(path, as_version=4))  # Colab's cells may have no id
    if sections is not None:
        shorten(notebook, sections)
    title = title_of(notebook, path)
    describe_figures(notebook)
    drop_widgets(notebook)
    lay_out(notebook)
    lead_to_slides(notebook)
    notebook.metadata["title"] = title
    exporter = SlidesExporter(
        template_file="lesson_slides.html.j2", extra_template_paths=[str(TEMPLATES)], reveal_url_prefix=reveal
    )
    exporter.register_preprocessor("nbconvert.preprocessors.CoalesceStreamsPreprocessor", enabled=True)
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": path.stem}})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{path.stem}.slides.html").write_text(text, encoding="utf-8")


def main(arguments=None):
    """The command line: ``python -m helpers.publishing.slides [--short] [--reveal FOLDER]``."""
    name = "python -m helpers.publishing.slides"
    parser = argparse.ArgumentParser(
        prog=name, description="Make slides of the notebooks.", epilog=__doc__.split("\n\n")[-1]
    )
    parser.add_argument("--reveal", metavar="FOLDER", help="reveal.js, unpacked: the slides then need no network")
    parser.add_argument("--short", action="store_true", help="for 45 minutes: the sections that TEACHING.md keeps")
    options = parser.parse_args(arguments)
    folder, reveal = REPOSITORY / "build" / "slides", REVEAL
    if options.reveal:
        for part in ("dist", "plugin"):
            shutil.copytree(Path(options.reveal) / part, folder / "reveal.js" / part, dirs_exist_ok=True)
        reveal = "reveal.js"
    paths = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
    decks = short_decks() if options.short else {}
    for path in paths:
        write_slides(path, folder, reveal, decks.get(path.stem))
    print(f"The slides of {len(paths)} notebooks are in {folder}: open one in a browser; S opens the speaker's notes.")


if __name__ == "__main__":
    main()
