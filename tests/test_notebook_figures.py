"""Figures are stored as PNG; pictures in a text also show in Colab."""

from rules import LINK, edit, markdown_cells, outputs, three_tests_of, with_output

from helpers.publishing.badges import badge


def stores_figures_as_png(notebook, path):
    for i, _, output in outputs(notebook):
        data = output.get("data", {})
        wrong = [kind for kind in data if kind.startswith("image/") and kind != "image/png"]
        if wrong or ("<Figure" in data.get("text/plain", "") and "image/png" not in data):
            yield f"cell {i}: stores a figure as {wrong or 'text'}"


def attaches_its_pictures(notebook, path):
    for i, cell in markdown_cells(notebook):
        source = cell.source.replace(badge(path.name), "")
        if "<img" in source:
            yield f"cell {i}: has an <img>"
        for _, alt, target in (link for link in LINK.findall(source) if link[0]):
            if target.removeprefix("attachment:") not in cell.get("attachments", {}):
                yield f"cell {i}: shows {target}, which Colab does not have: attach it, or draw it in a cell"
            if not alt.strip():
                yield f"cell {i}: shows {target} without alt text"


def attach(notebook):
    notebook.cells[3].source += "\n![](attachment:a.png)"
    notebook.cells[3].attachments = {"a.png": {"image/png": "iVBORw0K"}}


BREAKS = {
    stores_figures_as_png: [
        with_output(5, "display_data", {"image/svg+xml": "<svg/>"}),
        with_output(5, "execute_result", {"text/plain": "<Figure size 900x450>"}, execution_count=4),
    ],
    attaches_its_pictures: [
        edit(3, "There", "![A net](net.png) There"),
        edit(3, "There", "![A net](https://example.org/net.png) There"),
        edit(3, "There", '<img src="net.png"> There'),
        attach,
    ],
}

test_every_notebook, test_accepts_one_that_keeps_it, test_refuses_one_that_breaks_it = three_tests_of(BREAKS)
