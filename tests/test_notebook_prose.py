"""Every number in a notebook's prose stands in code near by, or in what that printed and nbval compares.

Near is within three cells; a text further off may repeat what one near its code says. What an exempt cell printed
counts for nothing: a time may happen to read like a result. This is a heuristic: it reads numbers of two digits and
more, decimals and thousands, and does not ask whether a number means the same in both places. It finds prose that has
drifted from its code (of all changes of a last digit by one, four in five); it does not replace reading.
"""

import re

import nbformat
import pytest

NUMBER = r"\d{1,3}(?:[,_]\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?(?:e[-+]?\d+)?"
IN_CODE = re.compile(rf"(?<![\w.])(?:{NUMBER})", re.IGNORECASE)
IN_PROSE = re.compile(
    rf"(?P<about>\b(?:about|around|some|nearly|almost|roughly) |[≈~]\s*)?"
    rf"(?<![\w.])(?P<number>{NUMBER})"
    rf"(?:\s*(?P<unit>%|percent|thousand|million|billion))?",
    re.IGNORECASE,
)
NEAR = 3  # cells: how far a number in a text may be from the code that has it
SCALE = {"thousand": 1e3, "million": 1e6, "billion": 1e9}

# What holds digits but states no result, in the order in which it is taken out.
NO_STATEMENT = [
    (r"```.*?```", " "),
    (r"!\[([^\]]*)\]\([^)]*\)", r"\1"),  # of a picture its alt text stays
    (r"\[([^\]]*)\]\(https?:[^)]*\)", r"\1"),
    (r"\[[^\]]*\]\([^)]*\)", " "),  # the title of another notebook, which answers for itself
    (r"https?://\S+|\barXiv:\S+|\bdoi:\S+", " "),
    (r"`[^`\n]*[A-Za-z_][^`\n]*`", " "),  # code; `0.5` is a number like any other
    (r"</?[A-Za-z][^>]*>", " "),
    (
        r"^\s*#+\s*\d+(\.\d+)*\.?\s|^\s*\d+[.)]\s|·\s*\d+\.\s|^Outline: \d+\.\s",
        " ",
    ),  # numbers of headings, list items and outlines
    (r"\b([Nn]otebooks?|[Ss]ections?)\s+\d+(,? (and|to|or) \d+)*", " "),
    (r"\b(Python|PyTorch|torch)\s+\d[\d.]*", " "),
    (r"\b[A-Za-z]\w*-\d[\w-]*", " "),  # names: CIFAR-10, WRN-28-10
    (r"(?<![\d,._])(19|20)\d\d(?![\d_]|[,.]\d)", " "),  # years; two thousand images are 2,000
]
TIME = r"\d[\d.,]*\s*((–|-|to|or)\s*\d[\d.,]*\s*)?(seconds?|minutes?|hours?|min|s|h)\b"


def plain(text):
    """Return the text with numbers written in one way: 187{,}418 and 187 418 as 187,418, and 5x5 as two numbers."""
    text = re.sub(r"(?<=\d)(\{,\}|\\,|[\u2009\u202f\u00a0])(?=\d{3})", ",", text)
    return re.sub(r"(?<=\d)[x×](?=\d)", " ", text)


def value(number):
    return float(re.sub("[,_]", "", number))


def numbers_of(cell):
    """Return every number in a cell's code, comments apart, and in the text that it printed for nbval to compare.

    The code of a text is that of a solution, which ``test_notebook_exercises.py`` executes.
    """
    tags = cell.metadata.get("tags", [])
    if "set-up" in tags:
        return set()
    if cell.cell_type == "code":
        code, outputs = [cell.source], [] if "nbval-ignore-output" in tags else cell.outputs
    else:
        code, outputs = re.findall(r"```python\n(.*?)```", cell.source, re.DOTALL), []
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    texts += [re.sub(r"(^|\s)#\s.*", "", source) for source in code]
    return {value(number) for text in texts for number in IN_CODE.findall(plain(text))}


def statements(notebook):
    """Yield ``(cell, number as written, value, tolerance, unit)`` of the numbers that the prose states."""
    for i, cell in enumerate(notebook.cells):
        if cell.cell_type != "markdown":
            continue
        text = cell.source
        for pattern, replacement in NO_STATEMENT + ([(TIME, " ")] if i == 0 else []):
            text = re.sub(pattern, replacement, text, flags=re.DOTALL | re.MULTILINE)
        for found in IN_PROSE.finditer(plain(text)):
            number, unit = found["number"], (found["unit"] or "").lower()
            if len(number) == 1 and not unit:
                continue
            rounded = found["about"] or unit or "." in number
            decimals = len(number.partition(".")[2]) if "e" not in number.lower() else 9
            yield i, found[0].strip(), value(number), 0.5 * 10**-decimals if rounded else 0, unit


def is_among(stated, tolerance, unit, numbers):
    """Say whether one of ``numbers`` is the stated one, rounded as it is written."""
    if unit in ("%", "percent"):
        numbers = numbers | {100 * number for number in numbers if number <= 1}
    if unit in SCALE:
        numbers = numbers | {number / SCALE[unit] for number in numbers}
    return any(abs(number - stated) <= tolerance * (1 + 1e-9) for number in numbers)


def unsupported(notebook):
    """Return a complaint for each number that no cell near by holds or printed, and no text that has such a cell."""
    numbers = [numbers_of(cell) for cell in notebook.cells]
    supported, rest = set(), []
    for i, written, *statement in statements(notebook):
        near = numbers[max(0, i - NEAR) : i + NEAR + 1] if i else numbers  # the first cell opens the whole notebook
        if is_among(*statement, set().union(*near)):
            supported.add(statement[0])
        else:
            rest.append((i, written, *statement))
    return [f"cell {i}: {written}" for i, written, *statement in rest if not is_among(*statement, supported)]


def test_every_number_of_the_prose_comes_from_the_code(notebook_path):
    missing = unsupported(nbformat.read(notebook_path, as_version=4))
    assert not missing, "\n".join([f"{notebook_path.name} states what no cell holds or prints:", *missing])


# The check, tested --------------------------------------------------------------------------------------------------


def complaints_about(course, prose, code="pass", printed=""):
    """Return what the check says of ``prose``, beside a cell of ``code`` that ``printed`` something."""

    def change(notebook):
        notebook.cells[3].source = prose
        notebook.cells[4].source = code
        notebook.cells[4].outputs[0].text = printed

    return unsupported(nbformat.read(course(change), as_version=4))


def test_accepts_the_course_that_keeps_the_rule(course):
    assert unsupported(nbformat.read(course(), as_version=4)) == []


def test_refuses_what_only_distant_code_holds(course):
    def change(notebook, between):
        notebook.cells[3].source = "There are 12 of them."
        notebook.cells[3:3] = [nbformat.v4.new_markdown_cell("Text.") for _ in range(between)]
        notebook.cells.insert(3, nbformat.v4.new_code_cell("dozen = 12"))

    assert unsupported(nbformat.read(course(lambda notebook: change(notebook, 2)), as_version=4)) == []
    assert len(unsupported(nbformat.read(course(lambda notebook: change(notebook, 3)), as_version=4))) == 1


def test_accepts_in_the_end_what_was_said_near_its_code(course):
    def change(notebook):
        notebook.cells[6].source += " 87.8 % are fine."
        notebook.cells[6:6] = [nbformat.v4.new_markdown_cell("Text.") for _ in range(3)]

    assert unsupported(nbformat.read(course(change), as_version=4)) == []


def test_refuses_what_only_an_exempt_cell_printed(course):
    def change(notebook):
        notebook.cells[3].source = "It reaches 84 %."
        notebook.cells[4].outputs[0].text = "84 s"
        notebook.cells[4].metadata.tags = ["nbval-ignore-output"]

    assert len(unsupported(nbformat.read(course(change), as_version=4))) == 1


@pytest.mark.parametrize(
    ("old", "new"), [("50,000", "50,001"), ("50,000", "5,000"), ("87.8", "87.9"), ("87.8", "97.8")]
)
def test_finds_one_changed_number(course, old, new):
    def change(notebook):
        assert old in notebook.cells[3].source
        notebook.cells[3].source = notebook.cells[3].source.replace(old, new)

    assert len(unsupported(nbformat.read(course(change), as_version=4))) == 1


@pytest.mark.parametrize(
    ("prose", "code", "printed"),
    [
        ("There are 187,418 parameters.", "assert count == 187_418", ""),
        ("There are $187{,}418$ parameters.", "", "parameters: 187418"),
        ("It reaches 61.3 %.", "", "(61.34%)"),
        ("It reaches 61.3 %.", "assert round(accuracy, 3) == 0.613", ""),
        ("It takes 57 million MACs.", "", "57,123,456 MACs"),
        ("It takes about 20 seconds.", "", "19.7 s"),
        ("The kernel is 24×24.", "", "24x24"),
        ("The decay is 0.0005.", "decay = 5e-4", ""),
        ("See notebook 04, or [42 things](02_second.ipynb), on CIFAR-10 (Ada, 2009).", "", ""),
        ("Outline: 1. the data · 12. what follows", "", ""),
        ("## 17. Heading\n\nCall `Conv2d(48, 96)` in Python 3.11.", "", ""),
        ("<details><summary>Solution</summary> 73,728\n\n```python\nanswer = 73_728\n```\n\n</details>", "", ""),
    ],
)
def test_accepts(course, prose, code, printed):
    assert complaints_about(course, prose, code, printed) == []


@pytest.mark.parametrize(
    ("prose", "code", "printed"),
    [
        ("There are 187,418 parameters.", "assert count == 187_419", ""),
        ("There are 187,418 parameters.", "pass  # 187,418", ""),
        ("It reaches 61.3 %.", "", "(61.36%)"),
        ("It reaches 61 %.", "", "(61.6%)"),
        ("It takes 57 million MACs.", "", "56,123,456 MACs"),
        ("It takes 20 seconds.", "", "19.7 s"),
        ("It has `0.25` of them.", "", "0.35"),
        ("It has 12 layers.", "net_12 = float32", ""),
        ("| run | 91.3 |", "", "91.2"),
        ("<details><summary>Solution</summary> 73,728 </details>", "", ""),
    ],
)
def test_refuses(course, prose, code, printed):
    assert len(complaints_about(course, prose, code, printed)) == 1
