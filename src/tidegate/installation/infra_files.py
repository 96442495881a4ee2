"""The data files of `infra/` that the templates read, too: roles, event subscriptions and app settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from tidegate.folders import FOLDERS


@dataclass(frozen=True)
class NeededRole:
    """A role that an identity needs at a scope, with the actions that the role is there for.

    `identity` and `scope` are the names of `infra/roles.yaml`. The role may allow more than these actions.
    """

    identity: str
    role: str
    scope: str
    why: str
    actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()


@cache
def needed_roles(identity: str) -> tuple[NeededRole, ...]:
    """Return the roles of an identity of `infra/roles.yaml`, such as `app`."""
    return tuple(
        NeededRole(
            identity=identity,
            role=entry["role"],
            scope=entry["scope"],
            why=entry["why"],
            actions=tuple(entry.get("actions", ())),
            data_actions=tuple(entry.get("data_actions", ())),
        )
        for entry in _read("roles.yaml")["assignments"]
        if entry["identity"] == identity
    )


def declared_subscriptions(topic: str) -> list[Mapping[str, Any]]:
    """Return the event subscriptions of a topic: `storage`, `development` or `production`."""
    return [entry for entry in _read("subscriptions.yaml") if entry["topic"] == topic]


@dataclass(frozen=True)
class DeclaredSetting:
    """An app setting of `infra/app-settings.yaml`: with a value, or with where the template takes it from.

    `source` is the name of a value of the template, or empty.
    """

    name: str
    value: str | None = None
    source: str = ""


def declared_settings() -> tuple[DeclaredSetting, ...]:
    """Return the settings that the templates give the function app."""
    return tuple(
        DeclaredSetting(entry["name"], entry.get("value"), entry.get("from", ""))
        for entry in _read("app-settings.yaml")
    )


@cache
def _read(name: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(FOLDERS.infra_file(name).read_text(encoding="utf-8"))
