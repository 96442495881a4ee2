"""The tidegate.yml of tests, as values and as a file."""

from pathlib import Path
from typing import Any

from tidegate.config.schema import Config

SUBSCRIPTION = "00000000-0000-4000-8000-000000000001"
GROUP = "rg-tidepool"


def a_feed(account: str = "stimages", container: str = "images", **changes: Any) -> dict[str, Any]:
    storage = {
        "subscription": SUBSCRIPTION,
        "resource_group": GROUP,
        "account": account,
        "container": container,
    }
    score = {"pipeline": "image_scoring", "model": "classifier", "compute": "gpu-lowpri"}
    return {
        "storage": storage,
        "path": "{yyyy}{MM}/",
        "starts": 202601,
        "complete_when": [{"marker": "_SUCCESS"}, {"listed_in": "files.txt"}, {"quiet_for": "15m"}],
        "score": score,
    } | changes


def in_azure(resource_id: str, **more: str) -> dict[str, str]:
    """Return how tidegate.yml names a resource: its subscription and group, and `more`."""
    _, _, subscription, _, group, *_ = resource_id.split("/")
    return {"subscription": subscription, "resource_group": group, **more}


def a_config(**feeds: dict[str, Any]) -> Config:
    return Config.model_validate(values(**feeds))


def values(
    *, development: str = "mlw-dev", production: str = "mlw-prod", **feeds: dict[str, Any]
) -> dict[str, Any]:
    group = {"subscription": SUBSCRIPTION, "resource_group": GROUP}
    workspaces = {"development": {**group, "name": development}, "production": {**group, "name": production}}
    return {"workspaces": workspaces, "feeds": feeds or {"digits": a_feed()}}


def write(folder: Path, content: dict[str, Any]) -> Path:
    """Write the values to tidegate.yml in the folder and return its path."""
    from ruamel.yaml import YAML

    file = folder / "tidegate.yml"
    YAML().dump(content, file)
    return file


def change(file: Path, **sections: Any) -> None:
    """Write other sections into a tidegate.yml."""
    from ruamel.yaml import YAML

    write(file.parent, {**YAML(typ="safe").load(file), **sections})
