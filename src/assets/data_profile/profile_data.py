"""The profile step: what the files of a partition's version contain.

It writes profile.json, and to MLflow the same file and a picture. It runs beside scoring, and a failure of
this step does not fail the partition: the reason is in profile.json and in the log.
"""

import argparse
import gc
import json
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from image_profile import profile_images
from listed_files import ListedFiles, is_table, read_listed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_SUFFIXES = 50
SHOWN_COLUMNS = 40
SHOWN_SIZES = 15

log = logging.getLogger(__name__)


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    subject = {key: getattr(args, key) for key in ("feed", "partition", "version")}
    make_profile(args.data, args.manifest, args.profile, subject)


def make_profile(
    data: Path, manifest: Path, target: Path, subject: Mapping[str, str], run: str | None = None
) -> None:
    """Write profile.json of the listed files of a folder, and log it to a run, by default that of the job.

    A failure is logged and not raised, because the partition must not fail.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        outcome = {"made": True, "why": "", **profile(data, read_listed(manifest))}
    except Exception as error:  # the partition must not fail because of it
        log.exception("profile_not_made")
        outcome = {"made": False, "why": f"{type(error).__name__}: {error}"}
    text = json.dumps({**subject, **outcome}, indent=2, allow_nan=False)
    (target / "profile.json").write_text(text, encoding="utf-8")
    log.info("partition_profiled made=%s files=%s", outcome["made"], outcome.get("files"))
    try:
        log_to_mlflow(outcome, subject, run)
    except Exception:
        log.exception("profile_not_shown")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--data", "--manifest", "--profile"):
        parser.add_argument(key, type=Path, required=True)
    for key in ("--feed", "--partition", "--version"):
        parser.add_argument(key, required=True)
    return parser.parse_args()


def profile(folder: Path, listed: ListedFiles) -> dict[str, Any]:
    """Return what the files of a manifest contain: tables by column, images by size and mode."""
    names = [name for name in listed.names if name not in listed.errors]
    suffixes = Counter(PurePosixPath(name).suffix.lower() or "(none)" for name in listed.names)
    tables = [name for name in names if is_table(name)]
    others = [name for name in names if not is_table(name)]
    parts: dict[str, Any] = {}
    if tables:
        from table_profile import profile_tables  # pandas takes a second to load

        parts["tables"] = profile_tables(folder, tables)
    if others:
        parts["images"] = profile_images(folder, others)
    return {
        "files": len(listed.names),
        "unreadable": len(listed.errors),
        "suffixes": dict(suffixes.most_common(SHOWN_SUFFIXES)),
        **parts,
    }


def log_to_mlflow(outcome: Mapping[str, Any], subject: Mapping[str, str], run: str | None) -> None:
    import mlflow

    with mlflow.start_run(run_id=run):
        mlflow.set_tags({f"tidegate_{key}": value for key, value in subject.items()})
        mlflow.log_dict(dict(outcome), "profile.json")
        if figure := draw(outcome, f"{subject['feed']} {subject['version']}"):
            mlflow.log_figure(figure, "profile.png")


def draw(outcome: Mapping[str, Any], title: str) -> "Figure | None":
    """Draw the share of empty values of each column, or how many images have each size, if there are any."""
    from matplotlib.figure import Figure
    from picture_fonts import use_fonts

    if columns := (outcome.get("tables") or {}).get("columns", [])[:SHOWN_COLUMNS]:
        bars = {
            f"{column['name']}: {', '.join(column['types'])}, {column['distinct']} distinct"[:70]: (
                column["nulls"] / max(1, column["rows"])
            )
            for column in columns
        }
        what = "share of empty values"
    elif sizes := (outcome.get("images") or {}).get("sizes"):
        bars, what = dict(list(sizes.items())[:SHOWN_SIZES]), "images"
    else:
        return None
    use_fonts()
    figure = Figure(figsize=(8, 1.5 + 0.3 * len(bars)), layout="constrained")
    axes = figure.subplots()
    axes.barh(list(bars), list(bars.values()))
    axes.invert_yaxis()
    axes.set(title=title, xlabel=what)
    return figure


if __name__ == "__main__":
    main()
