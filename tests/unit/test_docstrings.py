"""The docstrings of the source, which ruff's D401 checks for the imperative."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


def first_lines(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield where each function is and the first line of its docstring, if it has one."""
    for file in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            docstring = ast.get_docstring(node) if isinstance(node, FUNCTION) else None
            if docstring:
                yield f"{file.relative_to(folder)}:{node.lineno} {node.name}", docstring.splitlines()[0]


def test_first_lines_of_docstrings_are_one_sentence_without_a_semicolon() -> None:
    assert [f"{function}: {line}" for function, line in first_lines(SOURCE) if ";" in line] == []
