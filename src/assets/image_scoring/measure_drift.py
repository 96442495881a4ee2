"""The drift step.

It compares a scored partition with the data that its model was trained on. It writes drift.json, and it
writes metrics and a picture to MLflow. It also makes the profile of the partition's files, because a step of
its own would load the same libraries again. It runs in parallel to publishing. A failure of this step does
not fail the partition, but is recorded in drift.json or profile.json and in the log.
"""

import argparse
import gc
import json
import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import drift_reference
import numpy as np
from decoding import BrokenImageError, Pixels, read_image
from drift_reference import Sample, sample, sampled
from image_input import Frame, image_input
from image_model import read_mlmodel
from profile_data import make_profile
from rows import Row, parse_rows, read_manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compared:
    """The content of drift.json and, if they were compared, both samples: reference and partition."""

    outcome: dict[str, Any]
    samples: tuple[Sample, Sample] | None = None


def main() -> None:
    gc.set_threshold(50_000, 20, 20)  # fewer collections while MLflow is imported
    logging.basicConfig(level=logging.INFO)
    args = parse_arguments()
    subject = {key: getattr(args, key) for key in ("feed", "partition", "version", "generation")}
    run = os.environ.get("MLFLOW_RUN_ID")  # MLflow forgets it after its first use
    args.drift.mkdir(parents=True, exist_ok=True)
    compared: Compared | None = None
    with kept_from_the_partition("drift_not_measured") as faults:
        compared = compare(args)
    compared = compared or not_measured(faults[0])
    outcome = compared.outcome
    text = json.dumps(subject | outcome, indent=2, allow_nan=False)
    (args.drift / "drift.json").write_text(text, encoding="utf-8")
    log.info("partition_compared measured=%s breached=%s", outcome["measured"], outcome["breached"])
    if compared.samples:
        with kept_from_the_partition("drift_not_shown"):
            log_to_mlflow(outcome, subject, *compared.samples)
    if args.profile:
        of_version = {key: subject[key] for key in ("feed", "partition", "version")}
        make_profile(args.images, args.manifest, args.profile, of_version, run)


@contextmanager
def kept_from_the_partition(event: str) -> Iterator[list[str]]:
    """Log an exception and add it to the list, but do not raise it.

    The partition is then scored without drift.
    """
    faults: list[str] = []
    try:
        yield faults
    except Exception as error:
        log.exception(event)
        faults.append(f"{type(error).__name__}: {error}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for key in ("--images", "--rows", "--manifest", "--model", "--drift"):
        parser.add_argument(key, type=Path, required=True)
    parser.add_argument("--profile", type=Path)
    for key in ("--threshold", "--share"):
        parser.add_argument(key, type=float, required=True)
    for key in ("--feed", "--partition", "--version", "--generation"):
        parser.add_argument(key, required=True)
    return parser.parse_args()


def compare(args: argparse.Namespace) -> Compared:
    """Compare the partition with its model's reference, if there is anything to compare."""
    reference = drift_reference.load(args.model)
    if reference is None:
        return not_measured(f"the model has no {drift_reference.FILE}: it was trained without a reference")
    with args.rows.open(encoding="utf-8") as lines:
        rows = {row.img: row for row in parse_rows(lines) if row and not row.error}
    names = [name for name in read_manifest(args.manifest) if name in rows]
    chosen = [rows[names[index]] for index in sampled(len(names))]
    partition = sample_partition(args.images, chosen, image_input(read_mlmodel(args.model)).frame)
    if partition is None:
        return not_measured("no image of the partition was scored")

    import drift  # SciPy's tests take a second to import

    measured = drift.measure(reference, partition, threshold=args.threshold, share=args.share)
    return Compared(
        {"measured": True, "why": "", "reference": reference.data, **measured}, (reference, partition)
    )


def not_measured(why: str) -> Compared:
    return Compared({"measured": False, "why": why, "breached": False})


def sample_partition(folder: Path, rows: list[Row], frame: Frame) -> Sample | None:
    """Return a sample of the images that can be read, or None if no image can be read."""

    def read(row: Row) -> Pixels | None:
        try:
            return read_image(folder / row.img, frame).pixels
        except BrokenImageError:
            return None

    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as threads:
        read_rows = [(row, pixels) for row, pixels in zip(rows, threads.map(read, rows), strict=True)]
    readable = [(row, pixels) for row, pixels in read_rows if pixels is not None]
    if not readable:
        return None
    scores = [row.score for row, _ in readable if row.score is not None]
    labels = [row.label for row, _ in readable]
    images = np.stack([pixels for _, pixels in readable])
    return sample("", images, labels, scores if len(scores) == len(readable) else [])


def log_to_mlflow(
    outcome: Mapping[str, Any], subject: Mapping[str, str], reference: Sample, partition: Sample
) -> None:
    """Log metrics, drift.json and the picture to the step's run.

    Log the metrics to the pipeline's run too.
    """
    import mlflow
    from drift_pictures import distributions

    parts = [*outcome["features"].items(), *outcome["predictions"].items()]
    metrics = {f"drift/{name}": part["value"] for name, part in parts}
    metrics["drift/share_drifted"] = outcome["share_drifted"]
    with mlflow.start_run() as run:
        mlflow.set_tags({f"tidegate_{key}": value for key, value in subject.items()})
        mlflow.log_metrics(metrics)
        mlflow.log_dict(dict(outcome), "drift.json")
        title = f"{subject['feed']} {subject['version']}"
        mlflow.log_figure(distributions(outcome, reference, partition, title), "drift.png")
    if pipeline := run.data.tags.get("mlflow.parentRunId"):
        mlflow.log_metrics(metrics, run_id=pipeline)


if __name__ == "__main__":
    main()
