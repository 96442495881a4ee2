"""The log lines of the code are those of the registry, which the documentation and the queries name."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.hostile_names import HOSTILE
from tests.support.log_page import PAGE, page

from tidegate.log import Log
from tidegate.log_lines import BOUND, IDENTIFIERS, LINES

ROOT = Path(__file__).parents[2]
QUERIES = sorted((ROOT / "infra/queries").glob("*.kql"))
LEVELS = ("debug", "info", "warning", "exception")


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Yield the level, the name and the fields of each line that the code logs."""
    for file in sorted((ROOT / "src/tidegate").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    ast.Attribute(ast.Name("log"), level), [ast.Constant(str(name)), *_], keywords
                ) if level in LEVELS:
                    yield level, name, {keyword.arg for keyword in keywords if keyword.arg}


def test_every_line_of_the_code_is_registered_with_its_level_and_fields() -> None:
    for level, name, fields in calls():
        assert name in LINES, f"add {name} to src/tidegate/log_lines.py, then run: make docs"
        assert LINES[name].level == level
        assert fields <= {*LINES[name].fields, *IDENTIFIERS, *BOUND}, name

    assert {name for _, name, _ in calls()} == set(LINES)


def test_the_page_is_made_from_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: make docs"


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_adds_a_line_or_a_field(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    Log("test").info("model_judged", model=f"{name} passed=true", passed=False)

    [record] = caplog.records
    line = record.getMessage()
    assert line.isprintable()
    assert line.endswith(" passed=False")
    read = json.loads(line.removeprefix("model_judged model=").removesuffix(" passed=False"))
    assert read == f"{name} passed=true"


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: file.stem)
def test_a_query_names_only_lines_and_fields_that_exist(file: Path) -> None:
    query = file.read_text(encoding="utf-8")
    names = re.findall(r'startswith "([a-z_]+)', query)
    fields = re.findall(r'extract\("[ ]?([a-z_]+)=', query)

    assert names
    assert set(names) <= set(LINES)
    for field in fields:
        assert any(field in (*LINES[name].fields, *BOUND, *IDENTIFIERS) for name in names), field
