"""The folders of files that are no modules: templates, pipelines, clusters, and the user's own ones.

A wheel has them inside of the package. A checkout has them at its root, and so has the package that is built
from a checkout for Azure.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """The folder of the app, and the folders that come with this release.

    `app` has function_app.py and tidegate.yml. The others have the pipelines, the templates, and the files of
    Tidegate's own repository that `tidegate init` copies. In a checkout `app` is its root.
    """

    app: Path
    assets: Path
    infra: Path
    repository: Path

    @property
    def own_assets(self) -> Path:
        """Return the folder of the user's own pipelines, environments and clusters, which may not exist."""
        return self.app / "src/assets"

    @property
    def compute(self) -> Path:
        """Return the folder of the clusters: the user's own one if it exists."""
        own = self.own_assets / "compute"
        return own if own.is_dir() else self.assets / "compute"

    def infra_file(self, name: str) -> Path:
        """Return a data file of the templates: the user's own one if it exists."""
        own = self.app / "infra" / name
        return own if own.is_file() else self.infra / name


def locate(package: Path, environ: Mapping[str, str], here: Path) -> Folders:
    """Return the folders for the package `tidegate` in the folder `package`.

    An installed wheel works for the app in the folder that TIDEGATE_APP_ROOT names (function_app.py sets it),
    or for the app in the folder `here`.
    """
    root = package.parents[1]
    if not (package / "assets").is_dir():
        return Folders(app=root, assets=root / "src/assets", infra=root / "infra", repository=root)
    app = Path(environ.get("TIDEGATE_APP_ROOT") or here)
    return Folders(
        app=app, assets=package / "assets", infra=package / "infra", repository=package / "repository"
    )


FOLDERS = locate(Path(__file__).resolve().parent, os.environ, Path.cwd())
