"""Stored outputs are those of one whole run, and show no error and nothing of the machine."""

import re

from rules import code_cells, edit, is_exempt, outputs, tags, three_tests_of, with_output

MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|work|tmp|Users|content|mnt|opt|var)/|\b[CD]:\\")


def was_executed_top_to_bottom(notebook, path):
    for expected, (i, cell) in enumerate(code_cells(notebook), 1):
        if cell.execution_count != expected:
            yield f"cell {i}: has execution count {cell.execution_count}, not {expected}"


def was_executed_in_full_mode(notebook, path):
    if "Mode: full" not in "".join(text_of(output) for i, _, output in outputs(notebook) if i == 1):
        yield "cell 1: the set-up cell does not say that it was executed in full mode"


def stores_no_error(notebook, path):
    for i, cell, output in outputs(notebook):
        if output.output_type == "error" and "raises-exception" not in tags(cell):
            yield f"cell {i}: stores {output.ename}: {output.evalue}"


def stores_no_stderr(notebook, path):
    for i, cell, output in outputs(notebook):
        if output.get("name") == "stderr" and not is_exempt(cell):
            yield f"cell {i}: stores {output.text[:60]!r} on stderr"


def text_of(output):
    """Return every text that an output holds, as nbval and the reader see it."""
    data = {kind: text for kind, text in output.get("data", {}).items() if kind.startswith(("text/", "image/svg"))}
    parts = [output.get("text", ""), *data.values(), *output.get("traceback", [])]
    return "\n".join(part if isinstance(part, str) else "".join(part) for part in parts)


def shows_no_path_of_a_machine(notebook, path):
    texts = [(i, cell.source) for i, cell in enumerate(notebook.cells)]
    for i, text in texts + [(i, text_of(output)) for i, _, output in outputs(notebook)]:
        if found := MACHINE_PATH.search(text):
            yield f"cell {i}: shows {text[found.start() :][:40]!r}"


def is_under_3_mb(notebook, path):
    size = path.stat().st_size
    if size >= 3_000_000:
        largest = max(range(len(notebook.cells)), key=lambda i: len(str(notebook.cells[i])))
        yield f"cell {largest}: is the largest of {size:,} bytes"


BREAKS = {
    was_executed_top_to_bottom: [
        lambda notebook: notebook.cells[4].update(execution_count=7),
        lambda notebook: notebook.cells[4].update(execution_count=None),
    ],
    was_executed_in_full_mode: [
        lambda notebook: notebook.cells[1].outputs[0].update(text="Mode: quick, since there is no NVIDIA GPU.\n"),
        lambda notebook: notebook.cells[1].update(outputs=[]),
    ],
    stores_no_error: [
        with_output(4, "error", ename="ValueError", evalue="no", traceback=[]),
    ],
    stores_no_stderr: [
        with_output(4, name="stderr", text="careful\n"),
    ],
    shows_no_path_of_a_machine: [
        edit(4, "images", "/home/ada/images"),
        with_output(4, text="saved in /tmp/run\n"),
        with_output(4, "display_data", {"text/html": r"<p>C:\Users\ada</p>"}),
    ],
    is_under_3_mb: [
        with_output(5, "display_data", {"image/png": "A" * 3_000_000}),
    ],
}

test_every_notebook, test_accepts_one_that_keeps_it, test_refuses_one_that_breaks_it = three_tests_of(BREAKS)
