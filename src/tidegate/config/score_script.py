"""The check of a scoring script: a Python file with `init()` and `run(mini_batch)`. It is read, never run."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tidegate.config.schema import Config


def script_problems(config: Config, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield each feed whose script is in `folder` and cannot score, with the reason.

    A missing script is no problem here, because the service runs without it: only `tidegate deploy` reads it.
    """
    for name, feed in config.feeds.items():
        file = folder / (feed.score.script or "")
        if file.is_file() and (problem := script_problem(file)):
            yield name, f"{feed.score.script} {problem}"


def script_problem(file: Path) -> str | None:
    """Return why a file is no scoring script, or None if it is one."""
    try:
        module = ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"is not valid Python: line {error.lineno}: {error.msg}"
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
    return next(_problems(module), None)


def _problems(module: ast.Module) -> Iterator[str]:
    """Yield what is wrong with the two functions. Functions that are imported are not looked at."""
    defined = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    others = {name for node in module.body for name in _other_names(node)}
    for function, form in (("init", "init()"), ("run", "run(mini_batch)")):
        if function not in defined and not others & {function, "*"}:
            yield f"defines no function {form}"
    if "init" in defined and _required(defined["init"]):
        yield "has a function init that needs arguments; it is called as init()"
    if "run" in defined and not _takes_one(defined["run"]):
        yield "has a function run that does not take one argument; it is called as run(mini_batch)"


def _other_names(node: ast.stmt) -> list[str]:
    """Return the names that an import or an assignment defines."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []


def _required(function: ast.FunctionDef) -> int:
    arguments = function.args
    keywords = sum(default is None for default in arguments.kw_defaults)
    return len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults) + keywords


def _takes_one(function: ast.FunctionDef) -> bool:
    arguments = function.args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    return (positional >= 1 or arguments.vararg is not None) and _required(function) <= 1
