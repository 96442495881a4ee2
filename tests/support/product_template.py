"""The product's own template, under other names for each installation of the tests."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from tests.support import config_yaml
from tidepool.arm.resource_groups import ACCOUNTS, WORKSPACES, group_id
from tidepool.cloud import Tidepool
from tidepool.functions.site_resources import SITES

_INFRA = Path(__file__).parents[2] / "infra"
# Parts of the names in the committed snapshots that differ from one environment of azd to the next.
_UNIQUE, _GROUP = "fqub3knrl6rlc", "rg-local"


@dataclass(frozen=True)
class Deployed:
    """A resource that the template made, with its ARM id."""

    id: str

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]


@dataclass(frozen=True)
class ProductTemplate:
    """The template's resources. `unique` is a part of the name of each of them."""

    cloud: Tidepool
    unique: str
    service: Deployed
    feeds: Deployed
    development: Deployed
    production: Deployed
    site: Deployed
    outputs: Mapping[str, str]

    @classmethod
    def deploy(cls, cloud: Tidepool, notify_url: str = "") -> Self:
        """Make the resources of `infra/main.bicep`, with the roles of `infra/roles.yaml`."""
        unique = uuid.uuid4().hex[: len(_UNIQUE)]
        outputs = cloud.run_template(snapshot("local", unique), {"notifyUrl": notify_url})

        def made(group: str, type_: str, name: str) -> Deployed:
            return Deployed(f"{group_id(f'rg-{unique}-{group}')}/providers/{type_}/{name}{unique}")

        return cls(
            cloud=cloud,
            unique=unique,
            service=made("service", ACCOUNTS, "st"),
            feeds=made("service", ACCOUNTS, "stfeed"),
            development=made("development", WORKSPACES, "mlw-dev-"),
            production=made("production", WORKSPACES, "mlw-prod-"),
            site=made("service", SITES, "func-"),
            outputs=outputs,
        )

    @property
    def events_endpoint(self) -> str:
        return self.outputs["TIDEGATE_EVENTS_ENDPOINT"]

    def a_feed(self, **changes: Any) -> dict[str, Any]:
        """Return a feed of the template's storage account, as tidegate.yml describes it."""
        storage = config_yaml.in_azure(self.feeds.id, account=self.feeds.name, container="images")
        return config_yaml.a_feed(**{"storage": storage, **changes})

    def values(self, **feeds: dict[str, Any]) -> dict[str, Any]:
        """Return a tidegate.yml with the template's workspaces."""
        workspaces = {
            "development": config_yaml.in_azure(self.development.id, name=self.development.name),
            "production": config_yaml.in_azure(self.production.id, name=self.production.name),
        }
        return {**config_yaml.values(**feeds), "workspaces": workspaces}

    def subscribe(self) -> None:
        """Make the event subscriptions of `infra/subscriptions.bicep`, after the app has started."""
        self.cloud.run_template(snapshot("local-subscriptions", self.unique))


def snapshot(name: str, unique: str) -> dict[str, Any]:
    """Return a committed snapshot with another unique part in all names."""
    return dict(json.loads(_text(name).replace(_UNIQUE, unique).replace(_GROUP, f"rg-{unique}")))


@cache
def _text(name: str) -> str:
    return (_INFRA / f"{name}.snapshot.json").read_text(encoding="utf-8")
