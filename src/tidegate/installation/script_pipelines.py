"""The files of the pipelines around scoring scripts of users (`score.script`), for `tidegate deploy`."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tidegate.bootstrap import Service
from tidegate.config.schema import Config
from tidegate.config.score import Score
from tidegate.errors import ConfigError, PermanentError
from tidegate.installation.asset_files import AssetFiles, installed_assets

TEMPLATE = "script_scoring"
_SHARED = ("table_scoring/listed_files.py",)  # a parallel component cannot include it
_IMAGES = "image_scoring"
_ENVIRONMENT = "azureml:tidegate-scoring@latest"


@contextmanager
def with_scripts(assets: AssetFiles, config: Config, folder: Path) -> Iterator[AssetFiles]:
    """Yield the files of all pipelines, with one pipeline for each script of the configuration.

    `folder` is the folder of tidegate.yml. The files are copies, which exist until the end of the context.
    """
    scores = {feed.score.pipeline_name: feed.score for feed in config.feeds.values() if feed.score.script}
    if not scores:
        yield assets
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-assets-") as temporary:
        root = Path(temporary) / "assets"
        shutil.copytree(assets.root, root, ignore=shutil.ignore_patterns("__pycache__"))
        missing = {
            name: f"there is no {folder / str(score.script)}, the score.script of a feed in tidegate.yml"
            for name, score in scores.items()
            if not (folder / str(score.script)).is_file()
        }
        for name, score in scores.items():
            if name not in missing:
                write_script_folder(root / TEMPLATE, root / name, score, folder)
        yield replace(assets, root=root, missing=missing)


def write_serving_code(service: Service, feed: str, target: Path) -> str:
    """Write the folder that is the code of an online deployment, and return the name of its scoring script.

    It serves what the feed is scored with: a script of the user, or a model of images. Raise ConfigError for
    another feed, and PermanentError if the folder exists.
    """
    configured = service.config().feeds.get(feed)
    if configured is None:
        raise ConfigError(f"tidegate.yml has no feed {feed}")
    score, assets = configured.score, installed_assets().root
    if target.exists():
        raise PermanentError(f"{target} exists: name a new folder")
    if score.script:
        write_script_folder(assets / TEMPLATE, target, score, service.settings.config_file.parent)
        return "serve_script.py"
    if score.pipeline_name != _IMAGES:
        raise ConfigError(f"feed {feed} has no score.script in tidegate.yml, and is not scored by {_IMAGES}")
    shutil.copytree(assets / _IMAGES, target, ignore=shutil.ignore_patterns("__pycache__", "*.yml", ".*"))
    return "serve_images.py"


def write_script_folder(template: Path, target: Path, score: Score, folder: Path) -> None:
    """Write the pipeline around a script: the template with all files of the script's folder in `user/`.

    An online deployment can have the same folder as its code, with `serve_script.py` as its scoring script.
    Raise ConfigError if the script is missing.
    """
    script = folder / str(score.script)
    if not script.is_file():
        raise ConfigError(f"there is no {script}, the score.script of a feed in tidegate.yml")
    ignored = shutil.ignore_patterns("__pycache__", ".*")
    shutil.copytree(template, target, ignore=shutil.ignore_patterns("__pycache__"))
    for file in _SHARED:
        shutil.copy(template.parent / file, target)
    shutil.copytree(script.parent, target / "user", ignore=ignored)
    (target / "script.txt").write_text(script.name, encoding="utf-8")
    _replace(target / "pipeline.yml", f"name: {template.name}\n", f"name: {score.pipeline_name}\n")
    if score.environment:
        _replace(target / "score_files.yml", _ENVIRONMENT, score.environment)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")
