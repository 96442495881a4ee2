"""The reader of tidegate.yml: fills in variables and reports each mistake with its line, key and remedy."""

import fnmatch
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from types import UnionType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from tidegate.config.activity_kinds import KINDS
from tidegate.config.schema import Config
from tidegate.config.score_script import script_problems
from tidegate.config.types import LocatedError
from tidegate.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_CHECK_INTERVAL = timedelta(seconds=1)
Location = tuple[int | str, ...]
Mistake = tuple[Location, str]


class ConfigFile:
    """The current configuration. A valid file is checked once a second, an invalid one at each use."""

    def __init__(self, path: Path, environ: Mapping[str, str], *, now: Callable[[], datetime]) -> None:
        self._path = path
        self._environ = environ
        self._now = now
        self._lock = Lock()
        self._stamp: tuple[int, int] | None = None
        self._error = ""
        self._good: tuple[Config, datetime] | None = None  # the configuration, and the time of its next check

    def current(self) -> Config:
        """Return the configuration. Raise ConfigError with every mistake if the file cannot be used."""
        good, now = self._good, self._now()
        if good and now < good[1]:  # no lock and no stat, because each event of a burst calls this
            return good[0]
        with self._lock:
            return self._checked(now)

    def _checked(self, now: datetime) -> Config:
        try:
            status = self._path.stat()
        except OSError as error:
            self._stamp = self._good = None
            raise ConfigError(_unreadable(self._path, error)) from error
        stamp = (status.st_mtime_ns, status.st_size)
        config = self._good[0] if self._good else None
        if stamp != self._stamp:
            config, self._error = self._loaded()
            self._stamp = stamp
        self._good = (config, now + _CHECK_INTERVAL) if config else None
        if not config:
            raise ConfigError(self._error)
        return config

    def _loaded(self) -> tuple[Config | None, str]:
        try:
            return load(self._path, self._environ), ""
        except ConfigError as error:
            return None, str(error)


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Return the configuration in a file. Raise one ConfigError with all mistakes, one on each line."""
    document = _Document(path.name, _parsed(path))
    mistakes: list[Mistake] = []
    values = _filled(document.root, (), environ, mistakes)
    if mistakes:
        raise document.error(mistakes)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise document.error([_mistake(dict(detail), document) for detail in details]) from None
    scripts = script_problems(config, path.parent)
    mistakes += [(("feeds", name, "score", "script"), what) for name, what in scripts]
    if mistakes := [*_unknown_kinds(config), *mistakes]:
        raise document.error(mistakes)
    return config


def missing_files(config: Config, folder: Path) -> list[str]:
    """Return one sentence for each file that the configuration names and that `folder` does not have.

    `folder` is the folder of tidegate.yml.
    """
    rollouts = {name: policy.rollout for name, policy in config.models.items() if policy.rollout}
    return [
        f"models.{name}.rollout.smoke: there is no file {folder / rollout.smoke}, so rollouts of {name} fail"
        for name, rollout in rollouts.items()
        if not (folder / rollout.smoke).is_file()
    ]


@dataclass(frozen=True)
class _Document:
    """The parsed YAML, with the line of each key."""

    file: str
    root: Any

    def error(self, mistakes: list[Mistake]) -> ConfigError:
        located = sorted((self._line(where), _dotted(where), what) for where, what in mistakes)
        return ConfigError("\n".join(f"{self.file}:{line}: {key}: {what}" for line, key, what in located))

    def written(self, where: Location) -> Any:
        """Return the value as it is written in the file, without variables filled in, or None."""
        steps = self._steps(where)
        return steps[-1][0][steps[-1][1]] if steps and len(steps) == len(where) else None

    def _line(self, where: Location) -> int:
        """Return the line of the location, or of its innermost parent that the file has."""
        steps = self._steps(where)
        if not steps:
            return 1
        node, key = steps[-1]
        lines = node.lc
        position = lines.key(key) if isinstance(node, dict) else lines.item(key)
        return int(position[0]) + 1

    def _steps(self, where: Location) -> list[tuple[Any, int | str]]:
        node, steps = self.root, []
        for key in where:
            if not (
                key in node if isinstance(node, dict) else isinstance(node, list) and key in range(len(node))
            ):
                break
            steps.append((node, key))
            node = node[key]
        return steps


def _parsed(path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(_unreadable(path, error)) from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem).partition(" with value ")[0]  # that value may be a secret
        raise ConfigError(f"{path.name}:{line}: this is not valid YAML: {problem}") from None
    except YAMLError as error:
        raise ConfigError(f"{path.name}:1: this is not valid YAML ({type(error).__name__})") from None
    if not isinstance(root, dict):
        raise ConfigError(f"{path.name}:1: the file must have these keys at its top level: {_keys(Config)}")
    return root


def _unreadable(path: Path, error: Exception) -> str:
    why = error.strerror if isinstance(error, OSError) else error
    return f"{path}: the file cannot be read ({why}); set TIDEGATE_CONFIG to its path"


def _filled(node: Any, where: Location, environ: Mapping[str, str], mistakes: list[Mistake]) -> Any:
    """Return a plain copy with each `${NAME}` replaced. Add a mistake for each variable that is not set."""
    if isinstance(node, dict):
        return {key: _filled(value, (*where, key), environ, mistakes) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, (*where, at), environ, mistakes) for at, value in enumerate(node)]
    if not isinstance(node, str):
        return node
    missing = sorted({name for name in _VARIABLE.findall(node) if not environ.get(name)})
    mistakes += [(where, f"the environment variable {name or '(no name)'} is not set") for name in missing]
    return _VARIABLE.sub(lambda match: environ.get(match[1], ""), node)


def _mistake(error: dict[str, Any], document: _Document) -> Mistake:
    cause = error.get("ctx", {}).get("error")
    below = cause.location if isinstance(cause, LocatedError) else ()
    where = tuple(key for key in (*error["loc"], *below) if key != "[key]")
    match error["type"]:
        case "extra_forbidden":
            return where, f"there is no such key; allowed here: {_keys(_section(where[:-1]))}"
        case "missing":
            return where, "this key is required"
        case "zoneinfo_str":
            return where, "write the name of a time zone, such as Europe/Paris, Asia/Tokyo or UTC"
        case _:
            what = str(error["msg"]).removeprefix("Value error, ")
            written = None if _is_secret(where) else document.written(where)
            return where, what if isinstance(
                written, dict | list | None
            ) else f"{what} (not {str(written)!r})"


def _is_secret(where: Location) -> bool:
    """Return whether a value may be the URL of a channel, which contains a token."""
    return where[:1] == ("notify",) and "events" not in where


def _unknown_kinds(config: Config) -> Iterator[Mistake]:
    """Find patterns that match no kind of activity, so that the channel would never receive anything."""
    for at, channel in enumerate(config.notify):
        for number, pattern in enumerate(channel.events):
            if not fnmatch.filter(KINDS, pattern):
                what = f"no kind of activity matches {pattern!r}; kinds are: {', '.join(KINDS)}"
                yield ("notify", at, "events", number), what


def _section(where: Location) -> type[BaseModel] | None:
    """Return the pydantic model of the section at this location, or None."""
    kind: Any = Config
    for key in where:
        if _is_model(kind):
            field = kind.model_fields.get(str(key))
            kind = field.annotation if field else None
        else:  # the items of a dict or a list
            kind = (get_args(kind) or (None,))[-1]
        kind = (
            next((option for option in get_args(kind) if _is_model(option)), kind)
            if _is_union(kind)
            else kind
        )
    return kind if _is_model(kind) else None


def _is_union(kind: Any) -> bool:
    return isinstance(kind, UnionType)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _keys(section: type[BaseModel] | None) -> str:
    if section is None:
        return "none"
    return ", ".join(field.alias or name for name, field in section.model_fields.items())


def _dotted(where: Location) -> str:
    shown = ("(a URL)" if "://" in str(key) else key for key in where)
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in shown)
    return text.removeprefix(".") or "(the whole file)"
