"""What GitHub reads is well formed, and its form lists the notebooks that there are."""

from pathlib import Path

import pytest
import yaml

GITHUB = Path(__file__).parent.parent / ".github"
FILES = sorted(GITHUB.rglob("*.yml"))


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_yaml_is_well_formed(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_workflow_covers_the_oldest_and_the_newest_python_pinned_and_newest_packages():
    (job,) = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"].values()
    matrix = job["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.13"] and matrix["packages"] == ["pinned"]
    assert matrix["include"] == [{"python": "3.13", "packages": "newest"}]
    commands = " ".join(step.get("run", "") for step in job["steps"])
    assert "--nbval " in commands and "-c constraints.txt" in commands and "helpers.site" in commands


def test_issue_form_asks_for_notebook_cell_and_platform(notebook_path):
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "notebook.yml").read_text(encoding="utf-8"))["body"]
    required = {field["id"] for field in form if field.get("validations", {}).get("required")}
    assert {"notebook", "cell", "platform"} <= required
    (notebooks,) = [field["attributes"]["options"] for field in form if field["id"] == "notebook"]
    assert notebook_path.stem in notebooks
