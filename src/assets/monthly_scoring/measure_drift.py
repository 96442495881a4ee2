"""The drift step: a scored month beside what its model was trained on, as drift.json, and shown in MLflow.

Runs beside publishing and never fails the month: what goes wrong here is said in drift.json and in the log.
"""

import argparse
import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import drift_reference
import numpy as np
import yaml
from decoding import BrokenImageError, Pixels, read_image
from drift_reference import Sample, sample, sampled
from image_model import ImageShape, image_shape
from rows import Row, parse_rows, read_manifest

log = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    subject = {key: getattr(args, key) for key in ("feed", "month", "version", "generation")}
    outcome: dict[str, Any] = {"measured": False, "why": "", "breached": False}
    try:
        outcome |= measure(args, subject)
    # Its month is scored all the same: whatever goes wrong here is no reason to fail that.
    except Exception as error:
        log.exception("drift_not_measured")
        outcome["why"] = f"{type(error).__name__}: {error}"
    args.drift.mkdir(parents=True, exist_ok=True)
    text = json.dumps(subject | outcome, indent=2, allow_nan=False)
    (args.drift / "drift.json").write_text(text, encoding="utf-8")
    log.info("month_compared measured=%s breached=%s", outcome["measured"], outcome["breached"])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--images", "--rows", "--manifest", "--model", "--drift"):
        parser.add_argument(key, type=Path, required=True)
    for key in ("--threshold", "--share"):
        parser.add_argument(key, type=float, required=True)
    for key in ("--feed", "--month", "--version", "--generation"):
        parser.add_argument(key, required=True)
    return parser.parse_args()


def measure(args: argparse.Namespace, subject: Mapping[str, str]) -> dict[str, Any]:
    reference = drift_reference.load(args.model)
    if reference is None:
        return {"why": f"the model has no {drift_reference.FILE}: it was trained without a reference"}
    mlmodel = yaml.safe_load((args.model / "MLmodel").read_text(encoding="utf-8"))
    with args.rows.open(encoding="utf-8") as lines:
        rows = {row.img: row for row in parse_rows(lines) if row and not row.error}
    names = [name for name in read_manifest(args.manifest) if name in rows]
    month = sample_month(
        args.images, [rows[names[index]] for index in sampled(len(names))], image_shape(mlmodel)
    )
    if month is None:
        return {"why": "no image of the month was scored"}

    import drift  # SciPy's tests take a second to load

    found = drift.measure(reference, month, threshold=args.threshold, share=args.share)
    outcome = {"measured": True, "why": "", "reference": reference.data, **found}
    log_to_mlflow(outcome, subject, reference, month)
    return outcome


def sample_month(folder: Path, rows: list[Row], shape: ImageShape) -> Sample | None:
    """Of the images that can be read; None where there is none."""

    def read(row: Row) -> Pixels | None:
        try:
            return read_image(folder / row.img, shape.height, shape.width, shape.channels)
        except BrokenImageError:
            return None

    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as threads:
        read_rows = [(row, pixels) for row, pixels in zip(rows, threads.map(read, rows), strict=True)]
    whole = [(row, pixels) for row, pixels in read_rows if pixels is not None]
    if not whole:
        return None
    scores = [row.score for row, _ in whole if row.score is not None]
    labels = [row.label for row, _ in whole]
    pixels = np.stack([one for _, one in whole])
    return sample("", pixels, labels, scores if len(scores) == len(whole) else [])


def log_to_mlflow(
    outcome: Mapping[str, Any], subject: Mapping[str, str], reference: Sample, month: Sample
) -> None:
    """Metrics, report and pictures on this step's run; the metrics on the pipeline's run too."""
    import mlflow
    from drift_pictures import distances, distributions

    parts = [*outcome["features"].items(), *outcome["predictions"].items()]
    metrics = {f"drift/{name}": one["value"] for name, one in parts}
    metrics["drift/share_drifted"] = outcome["share_drifted"]
    with mlflow.start_run() as run:
        mlflow.set_tags({f"tidegate_{key}": value for key, value in subject.items()})
        mlflow.log_metrics(metrics)
        mlflow.log_dict(dict(outcome), "drift.json")
        mlflow.log_figure(distributions(reference, month), "distributions.png")
        mlflow.log_figure(distances(outcome, f"{subject['feed']} {subject['version']}"), "drift.png")
    if pipeline := run.data.tags.get("mlflow.parentRunId"):
        mlflow.log_metrics(metrics, run_id=pipeline)


if __name__ == "__main__":
    main()
