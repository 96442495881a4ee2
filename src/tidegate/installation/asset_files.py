"""The files of pipelines, environments and clusters: those of this release, and the user's own ones."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.config.schema import Config
from tidegate.errors import ConfigError
from tidegate.folders import FOLDERS

# Steps that are registered as components of their own, so that pipelines of users can name them.
SHARED_STEPS = ("image_scoring/publish_predictions.yml", "data_profile/profile_data.yml")


@dataclass(frozen=True)
class AssetFiles:
    """The files below `root`: <pipeline>/pipeline.yml, environments/*.yml, compute/<cluster>.yml.

    A file below `own` is used instead of the file of the same name below `root`. `missing` says of pipelines
    why they have no files.
    """

    root: Path = FOLDERS.assets
    own: Path | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def _folders(self) -> list[Path]:
        return [self.root] if self.own is None else [self.own, self.root]

    def steps(self) -> list[Path]:
        """Return the files of the steps that are registered by themselves."""
        return [file for name in SHARED_STEPS if (file := self.root / name).is_file()]

    def environments(self) -> list[Path]:
        folders = reversed(self._folders)
        return sorted(
            {file.name: file for folder in folders for file in folder.glob("environments/*.yml")}.values()
        )

    def pipeline(self, name: str) -> Path:
        """Return the file of a pipeline. Raise ConfigError if there is none, or if it has another name."""
        from ruamel.yaml import YAML

        if name in self.missing:
            raise ConfigError(self.missing[name])
        if not self.root.is_dir():
            raise ConfigError(
                f"pipeline {name}: there is no {self.root}; run tidegate from a checkout or from its wheel"
            )
        file = self._first(f"{name}/pipeline.yml")
        if file is None:
            files = (path for folder in self._folders for path in folder.glob("*/pipeline.yml"))
            existing = ", ".join(sorted({path.parent.name for path in files}))
            raise ConfigError(
                f"pipeline {name}: there is no {self._folders[0] / name / 'pipeline.yml'}; "
                f"existing pipelines: {existing or 'none'}"
            )
        name_in_file = YAML(typ="safe").load(file.read_text(encoding="utf-8")).get("name")
        if name_in_file != name:
            raise ConfigError(
                f"pipeline {name}: {file} is named {name_in_file!r}; use the name of its folder"
            )
        return file

    def compute(self, name: str) -> Path | None:
        return self._first(f"compute/{name}.yml")

    def _first(self, path: str) -> Path | None:
        return next((folder / path for folder in self._folders if (folder / path).is_file()), None)

    def content(self, pipeline: str) -> str:
        """Return a hash of a pipeline's files and of the environments, whose versions its steps name."""
        file = self.pipeline(pipeline)
        return self._content_of_folders([file.parent, *(step.parent for step in _steps_of(file))])

    def content_of_step(self, file: Path) -> str:
        return self._content_of_folders([file.parent])

    def _content_of_folders(self, folders: Iterable[Path]) -> str:
        folders = list(dict.fromkeys(folders))
        files = [file for folder in folders for file in _files_in(folder)]
        included = _included_by(file for folder in folders for file in folder.glob("*.yml"))
        return self._content(dict.fromkeys((*files, *included, *self.environments())))

    def content_of_environment(self, file: Path) -> str:
        return self._content([file])

    def _content(self, files: Iterable[Path]) -> str:
        """Return a hash of names and bytes. Line endings make no difference."""
        digest = hashlib.sha256()
        for file in files:
            data = file.read_bytes().replace(b"\r\n", b"\n")
            root = next(folder for folder in self._folders if file.is_relative_to(folder))
            digest.update(f"{file.relative_to(root).as_posix()} {len(data)}\n".encode() + data)
        return digest.hexdigest()[:32]


def installed_assets() -> AssetFiles:
    """Return the files of this release, and the user's own ones if an installed wheel is used."""
    own = FOLDERS.own_assets
    return AssetFiles(FOLDERS.assets, own if own != FOLDERS.assets else None)


def roles_in(config: Config) -> list[str]:
    """Return the workspaces that jobs run in. Models are judged and trained in development."""
    scoring = [feed.workspace for feed in config.feeds.values()]
    return list(dict.fromkeys([*scoring, *(["development"] if config.models else [])]))


def pipelines_in(config: Config, role: str) -> list[str]:
    """Return every pipeline component that runs in a workspace."""
    names = [feed.score.pipeline_name for feed in config.feeds_in(role).values()]
    for policy in config.models.values() if role == "development" else ():
        names += policy.pipelines
    return list(dict.fromkeys(names))


def clusters_in(config: Config, role: str) -> list[str]:
    """Return every cluster that the jobs of a workspace may use."""
    names: list[str] = []
    for feed in config.feeds_in(role).values():
        names += [*feed.score.clusters, feed.score.publish_compute]
    for policy in config.models.values() if role == "development" else ():
        names += [*policy.evaluate.clusters, *(policy.training.clusters if policy.training else ())]
    return list(dict.fromkeys(names))


def _files_in(folder: Path) -> Iterator[Path]:
    """Yield the files that are registered: all but documents, bytecode and hidden files."""
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        ignored = any(part.startswith(".") or part == "__pycache__" for part in parts)
        if file.is_file() and not ignored and file.suffix != ".md":
            yield file


def _steps_of(pipeline: Path) -> list[Path]:
    """Return the files of a pipeline's steps, some of which may be in folders of their own."""
    from ruamel.yaml import YAML

    jobs = YAML(typ="safe").load(pipeline.read_text(encoding="utf-8")).get("jobs") or {}
    named = (str(job.get("component", "")) for job in jobs.values())
    return [Path(os.path.normpath(pipeline.parent / name)) for name in named if name.endswith(".yml")]


def _included_by(components: Iterable[Path]) -> list[Path]:
    """Return the files, also of whole folders, that components upload with their own."""
    from ruamel.yaml import YAML

    included: set[Path] = set()
    for file in components:
        component = YAML(typ="safe").load(file.read_text(encoding="utf-8")) or {}
        includes = component.get("additional_includes", ())
        for path in (Path(os.path.normpath(file.parent / name)) for name in includes):
            included |= set(_files_in(path)) if path.is_dir() else {path}
    return sorted(included)
