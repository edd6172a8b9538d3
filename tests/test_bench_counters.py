"""The page of counters: it agrees with itself and with what our tool says today. None of the other four is needed."""

import importlib.util

import pytest

from helpers.bench import counters

pytestmark = pytest.mark.usefixtures("one_thread")


def table():
    lines = counters.PAGE.read_text(encoding="utf-8").splitlines()
    heading, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"]
    return heading, rows[:-1], rows[-1]


@pytest.mark.parametrize("name", counters.cases())
def test_our_tool_is_right(name):
    assert counters.count(counters.ours, name) == counters.cases()[name][1]


def test_the_page_has_every_case_and_counts_its_own_rows():
    heading, rows, tally = table()
    assert heading == ["network", "right", *counters.COUNTERS]
    assert [row[:2] for row in rows] == [[name, f"{right:,}"] for name, (_, right) in counters.cases().items()]
    assert tally[0] == f"right, of {len(rows)}" and int(tally[2]) == len(rows) >= 20
    for column in range(2, len(heading)):
        assert int(tally[column]) == sum(row[column] == row[1] for row in rows)
        assert all(row[column] == "error" or int(row[column].replace(",", "")) >= 0 for row in rows)


def test_an_error_is_none():
    assert counters.count(lambda module, image: 1 / 0, "depthwise 5×5") is None


def test_without_the_packages_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install ptflops thop fvcore torchinfo"):
        counters.main()
