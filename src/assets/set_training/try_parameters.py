"""A trial of a sweep: the members of some keys are trained with some parameters, and their error is logged.

The keys are those of one bucket, so with 64 buckets they are some 1.5 percent of all keys. The metrics `wape`
and `error_to_baseline` are those of their holdouts, as training.json of a training has them. No set is made.
"""

import argparse
import json
import logging
import tempfile
from pathlib import Path

import training_settings
from assemble_set import totals
from member_trainers import trainer_of
from model_sets.errors import SetError
from model_sets.sources import read_manifest
from model_sets.split import plan_split, split
from train_members import BucketTraining, read_bucket_rows
from trainer_parameters import checked
from training_settings import Settings, set_info
from worker_process import MemberWorker

BUCKET = 0

log = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    args, names = parse_arguments()
    info = set_info(args)
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    parameters = checked(args.trainer, given)
    settings = Settings(
        info=info,
        model="trial",
        training="trial",
        trainer=args.trainer,
        min_rows=args.min_rows,
        member_time_limit_s=args.member_time_limit_s,
        buckets=args.bucket_count,
        parameters=parameters,
    )
    trainer_of(settings, Path(__file__).parent)
    found = try_out(settings, args.data, args.manifest)
    log_to_mlflow(parameters, found)
    args.result.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"trainer": args.trainer, "parameters": parameters, **found}, allow_nan=False)
    (args.result / "trial.json").write_text(text, encoding="utf-8")
    log.info("parameters_tried %s", text)


def try_out(settings: Settings, data: Path, manifest: Path) -> dict[str, float | None]:
    """Train the keys of one bucket, and return their total error. Raise SetError if none can be trained."""
    with tempfile.TemporaryDirectory() as scratch:
        plan_folder, rows, members = (Path(scratch, name) for name in ("plan", "rows", "members"))
        plan = plan_split(read_manifest(data, manifest), settings.info, target=True, buckets=settings.buckets)
        training_settings.save(plan_folder, settings, plan, {"only": None, "expected": [], "unreadable": []})
        split(plan, range(len(plan.sources)), rows)
        members.mkdir()
        worker = MemberWorker(plan_folder, rows, settings.member_time_limit_s)
        try:
            BucketTraining(settings, worker, members).train(BUCKET)
        finally:
            worker.close()
        found = totals(read_bucket_rows(members, BUCKET))
    if not found["keys"]:
        raise SetError("no key of the sample has enough rows for a member: use fewer buckets")
    return found


def log_to_mlflow(parameters: dict[str, float], found: dict[str, float | None]) -> None:
    import mlflow

    with mlflow.start_run():
        mlflow.log_params(parameters)
        mlflow.log_metrics({name: value for name, value in found.items() if value is not None})


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """Return the arguments, and the names of those that are parameters of the trainer."""
    from trainer_parameters import LIGHTGBM, PENALTY

    parser = argparse.ArgumentParser()
    for key in ("--data", "--manifest", "--result"):
        parser.add_argument(key, type=Path, required=True)
    for key in ("--keys", "--target", "--time", "--frequency", "--covariates", "--trainer"):
        parser.add_argument(key, required=True)
    for key in ("--horizon", "--min-rows", "--bucket-count"):
        parser.add_argument(key, type=int, required=True)
    parser.add_argument("--member-time-limit-s", type=float, default=60)
    names = [*LIGHTGBM, PENALTY]
    for name in names:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float)
    return parser.parse_args(), names


if __name__ == "__main__":
    try:
        main()
    except (SetError, ValueError) as error:
        raise SystemExit(f"The trial cannot start: {error}") from None
