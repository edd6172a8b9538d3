"""The notebooks as a plain static site: ``python -m helpers.publishing.site`` (``make site``), in ``build/site/``.

Every notebook as it is stored, none is executed. The pages need no script and nothing from another host, so they work
from disk, and as they are on GitHub Pages or any web server. ``helpers.publishing.pages`` makes the same pages of
notebooks that it has executed.
"""

import re
import shutil

import nbformat
from nbconvert import HTMLExporter

from helpers.publishing.badges import address, badge
from helpers.records import REPOSITORY

TEMPLATES = REPOSITORY / "helpers" / "publishing" / "templates"
WIDGET = "application/vnd.jupyter.widget-view+json"
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")
ALT = re.compile(r"\*In the picture:\s*(.+?)\*(?:\n\n|$)", re.DOTALL)


def title_of(notebook, path):
    """Return the title of a notebook, its first heading, or the name of its file where it has none."""
    found = re.search(r"^# (.+)$", notebook.cells[0].source, re.MULTILINE) if notebook.cells else None
    return found[1].strip() if found else path.stem


def titles(paths):
    """Return ``{file of the page: title}`` of the notebooks at ``paths``, in reading order."""
    return {f"{path.stem}.html": title_of(nbformat.read(path, as_version=4), path) for path in paths}


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
                output.data = {"text/plain": "(Here the notebook has sliders: open it to move them.)"}


def fold_set_up(notebook):
    """Name the code between the first text and the next, set-up and imports: a page folds it."""
    for number, cell in enumerate(notebook.cells[1:]):
        if cell.cell_type != "code":
            break
        cell.metadata["folded"] = "Imports" if number else "Set-up"


def links_of_the_site(text):
    """Return Markdown whose links lead from page to page, and out of ``notebooks/`` into the public repository.

    The badge becomes words: its picture lies on another host.
    """
    text = BADGE.sub(r"[Open in Colab](\1)", text)
    text = re.sub(r"\]\((?:notebooks/)?([\w-]+)\.ipynb\)", r"](\1.html)", text)
    text = re.sub(r"\]\((?:\.\./)?README\.md\)", "](index.html)", text)
    return re.sub(r"\]\(\.\./([^)\s]+)\)", rf"]({address()}/blob/main/\1)", text)


def write_page(notebook, path, files, folder):
    """Write ``notebook``, which came from ``path``, to ``folder`` as a page.

    ``files`` are ``titles`` of the whole course: from them come the links to the lesson before and after.
    """
    describe_figures(notebook)
    drop_widgets(notebook)
    fold_set_up(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = links_of_the_site(cell.source)
    page = f"{path.stem}.html"
    lessons = [{"file": file, "number": file.split("_")[0], "title": title} for file, title in files.items()]
    here = list(files).index(page)
    around = {"here": page, "previous": lessons[here - 1] if here else None, "next": (lessons + [None])[here + 1]}
    _write(notebook, folder / page, title_of(notebook, path), around)


def write_index(files, folder):
    """Write ``folder/index.html``: what the course is, its lessons, and its results, from the README."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    opening, *sections = re.split(r"^(?=## )", readme, flags=re.MULTILINE)
    results = "".join(section for section in sections if section.startswith("## Results"))
    lessons = [
        f"| {file.split('_')[0]} | [{title}]({file}) | {badge(file.removesuffix('.html') + '.ipynb')} |"
        for file, title in files.items()
    ]
    table = "\n".join(["## The lessons", "", "| | | run it in |", "| --- | --- | --- |", *lessons])
    table = BADGE.sub(r"[Colab](\1)", table)  # short: it stands on phones too
    source = f"The notebooks, and all that they need: [{address()}]({address()})."
    cells = [nbformat.v4.new_markdown_cell(links_of_the_site(text)) for text in (opening, table, results, source)]
    _write(nbformat.v4.new_notebook(cells=cells), folder / "index.html", opening.removeprefix("# ").splitlines()[0], {})
    for picture in re.findall(r"\]\((images/[^)\s]+)\)", opening + results):
        if (REPOSITORY / picture).is_file():
            (folder / picture).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / picture, folder / picture)


def _write(notebook, page, title, lessons):
    exporter = HTMLExporter(template_file="lesson.html.j2", extra_template_paths=[str(TEMPLATES)])
    exporter.register_preprocessor("nbconvert.preprocessors.CoalesceStreamsPreprocessor", enabled=True)
    notebook.metadata["title"] = title
    text, _ = exporter.from_notebook_node(notebook, resources={"metadata": {"name": page.stem}, "lessons": lessons})
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


def make_site(paths, folder):
    """Make the site of the notebooks at ``paths``, as they are stored, in ``folder``, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    files = titles(paths)
    for path in paths:
        write_page(nbformat.read(path, as_version=4), path, files, folder)
    write_index(files, folder)
    (folder / ".nojekyll").touch()  # GitHub Pages: publish the files as they are


def main():
    """Make the site of all notebooks in ``build/site/``."""
    paths, folder = sorted((REPOSITORY / "notebooks").glob("*.ipynb")), REPOSITORY / "build" / "site"
    make_site(paths, folder)
    print(f"{len(paths)} lessons are in {folder}: open index.html, or publish the folder.")


if __name__ == "__main__":
    main()
