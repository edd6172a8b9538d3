"""What GitHub reads is well formed, and its form lists the notebooks that there are."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

GITHUB = Path(__file__).parent.parent / ".github"
PROJECT = tomllib.loads((GITHUB.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [f"3.{minor}" for minor in range(30) if f"3.{minor}.0" in SpecifierSet(PROJECT["requires-python"])]
FILES = sorted(GITHUB.rglob("*.yml"))


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_yaml_is_well_formed(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


WORKFLOW = yaml.safe_load((GITHUB / "workflows" / "ci.yml").read_text(encoding="utf-8"))


def test_workflow_covers_the_oldest_and_the_newest_python_pinned_and_newest_packages():
    matrix = WORKFLOW["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [PYTHONS[0], "3.13", PYTHONS[-1]] and matrix["packages"] == ["pinned"]
    assert matrix["include"] == [{"python": PYTHONS[-1], "packages": "newest"}]
    commands = " ".join(step.get("run", "") for step in WORKFLOW["jobs"]["test"]["steps"])
    assert "make .venv/.installed" in commands and "make test" in commands and "make site slides student" in commands
    assert "pip install --upgrade --upgrade-strategy eager -r requirements.txt" in commands


def test_every_list_of_pythons_is_the_one_of_pyproject():
    makefile, readme, conda = (
        (GITHUB.parent / name).read_text(encoding="utf-8") for name in ("Makefile", "README.md", "environment.yml")
    )
    low, high = (minor.replace(".", ", ") for minor in (PYTHONS[0], PYTHONS[-1]))
    assert f"({low}) <= sys.version_info[:2] <= ({high})" in makefile
    assert f"Python {PYTHONS[0]} to {PYTHONS[-1]}." in makefile and f"Python {PYTHONS[0]} to {PYTHONS[-1]} " in readme
    listed = re.search("^PYTHONS := (.*)$", makefile, re.MULTILINE)[1].split()
    assert {f"python{minor}" for minor in PYTHONS} | {"python3", "python"} == set(listed)
    assert set(re.findall(r"3\.1\d", re.search("- python=.*", conda)[0])) == set(PYTHONS)


def test_once_a_week_the_tests_run_beside_other_work():
    assert WORKFLOW[True]["schedule"]  # YAML reads the key "on" as True
    job = WORKFLOW["jobs"]["busy"]
    assert job["if"] == "github.event_name == 'schedule'"
    assert "tests/busy.sh make test" in job["steps"][-1]["run"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs bash, the ps of Linux, and /proc")
@pytest.mark.parametrize("code", [0, 3])
def test_busy_keeps_the_machine_busy_for_as_long_as_the_command_runs(code):
    """Four processes beside the command, and none after it; its exit status is the command's."""
    count = "ps -o pid= --ppid $PPID | wc -l; ps -o pid= --ppid $PPID"
    line = [GITHUB.parent / "tests" / "busy.sh", "sh", "-c", f"{count}; exit {code}"]
    environment = os.environ | {"PYTHON": sys.executable}
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    number, *beside = done.stdout.split()
    assert done.returncode == code, done.stderr
    assert int(number) == 5 and not any(Path(f"/proc/{process}").exists() for process in beside)


def test_issue_form_asks_for_notebook_cell_and_platform(notebook_path):
    form = yaml.safe_load((GITHUB / "ISSUE_TEMPLATE" / "notebook.yml").read_text(encoding="utf-8"))["body"]
    required = {field["id"] for field in form if field.get("validations", {}).get("required")}
    assert {"notebook", "cell", "platform"} <= required
    (notebooks,) = [field["attributes"]["options"] for field in form if field["id"] == "notebook"]
    assert notebook_path.stem in notebooks
