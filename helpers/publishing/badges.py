"""Colab badges and set-up cells: ``python -m helpers.publishing.badges`` (``make badges``) writes them everywhere.

The set-up cell is the same in every notebook that uses the helpers. Both hold the repository's public address, which
stands in ``pyproject.toml`` alone.
"""

import json
import re
import tomllib
from pathlib import Path

from helpers.records import REPOSITORY

SET_UP = """\
import sys
from pathlib import Path

MODE = "auto"  # @param ["auto", "quick", "full", "train"]
ADDRESS = "{address}"


def course():
    return next((p for p in (Path.cwd(), *Path.cwd().parents) if (p / "helpers/colab.py").is_file()), None)


if "google.colab" in sys.modules and not course():
    if not Path("course").is_dir():
        !git clone --quiet --depth 1 {{ADDRESS}} course
    assert Path("course").is_dir(), f"No course at {{ADDRESS}}: write its address into pyproject.toml, run make badges"
    %cd -q course/notebooks
assert course(), f"The course's helpers are not here. To clone it: git clone {{ADDRESS}}; start this notebook in there"
sys.path.insert(0, str(course()))

from helpers.colab import set_up

FULL, DATA = set_up(MODE)"""
BADGE = "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"
ANY_BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)")
BADGE_IN_README = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*?([^/)]+\.ipynb)\)")


def address():
    """Return the repository's public address, from ``[project.urls]`` in ``pyproject.toml``."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["urls"]["Repository"].rstrip("/")


def is_placeholder():
    """Return whether the address is still the one that leads nowhere: then no page shows a link or a button to it."""
    return "/OWNER/" in address()


def set_up_cell():
    """Return the code of the set-up cell, the same in every notebook that uses the helpers."""
    return SET_UP.format(address=address())


def badge(notebook):
    """Return the Markdown of the Colab badge of the notebook file named ``notebook``."""
    owner_and_name = address().removeprefix("https://github.com/")
    return BADGE.format(
        link=f"https://colab.research.google.com/github/{owner_and_name}/blob/main/notebooks/{notebook}"
    )


def write_badges(folder=REPOSITORY / "notebooks", readme=REPOSITORY / "README.md"):
    """Write badge and set-up cell into every notebook of ``folder``, and the badges into the README.

    Returns the names of the files that changed.
    """
    changed = []
    for path in sorted(Path(folder).glob("*.ipynb")):
        before = path.read_text(encoding="utf-8")
        notebook = json.loads(before)
        for cell in notebook["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                source = ANY_BADGE.sub(badge(path.name), source)
            elif "set-up" in cell["metadata"].get("tags", []):
                source = set_up_cell()
            else:  # notebook 05 has no helper to ask
                source = re.sub(r'^ADDRESS = ".*"$', f'ADDRESS = "{address()}"', source, flags=re.MULTILINE)
            cell["source"] = source.splitlines(keepends=True)
        after = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed.append(path.name)
    before = readme.read_text(encoding="utf-8")
    after = BADGE_IN_README.sub(lambda found: badge(found[1]), before)
    if after != before:
        readme.write_text(after, encoding="utf-8")
        changed.append(readme.name)
    return changed


if __name__ == "__main__":
    print("\n".join(write_badges()) or "every notebook has the right badge and set-up cell already")
