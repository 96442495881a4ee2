"""docs/log-lines.md, made from the list of log lines: `make docs` writes it, and a test compares it."""

from pathlib import Path

from tidegate.domain.unfinished import KINDS
from tidegate.log_lines import BOUND, IDENTIFIERS, LINES

PAGE = Path(__file__).parents[2] / "docs/log-lines.md"


def page() -> str:
    """Return the page that lists the log lines with their fields."""
    rows = (
        f"| `{name}` | {line.level} | {line.about} | {_names(line.fields, ' ')} |"
        for name, line in sorted(LINES.items())
    )
    kinds = (f"| `{kind}` | {about} |" for kind, about in KINDS.items())
    return "\n".join(
        [
            "# Log lines",
            "The lines that the service logs, with their fields. [operations.md](operations.md) says how a",
            "line is written. `make docs` makes this page from `src/tidegate/log_lines.py`, and a test",
            "compares that list with the code.",
            f"Every line of a command or an event also has {_names(BOUND, ', ')}, and those of",
            f"{_names(IDENTIFIERS, ', ')} that the command has.",
            "",
            "| line | level | what it says | its fields |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
            "The `kind` of `unfinished_work` is one of these. `count` is how many there are, `oldest` the",
            "oldest, and `oldest_s` its age in seconds:",
            "",
            "| kind | what it is |",
            "| --- | --- |",
            *kinds,
            "",
        ]
    )


def _names(names: tuple[str, ...], between: str) -> str:
    return between.join(f"`{name}`" for name in names)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
