"""The step that registers each member of a set as a model of its own.

A member that is registered already is left as it is, so the step may end at any time and run again. It
registers as many models a second as it is told to, because Azure allows about one.
"""

import argparse
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from member_models import MemberModel, SetVersion, member_models
from model_sets.errors import SetError
from model_sets.format import open_set
from workspace_models import WorkspaceModels

LOGGED_EVERY = 100

log = logging.getLogger(__name__)


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)
    args = parse_arguments()
    version = SetVersion(args.model_name, args.model_version, args.model_uri)
    members = member_models(open_set(args.model), version)
    register(members, WorkspaceModels.of_job(os.environ), pause_s=1 / args.per_second)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    for key in ("--model-name", "--model-version", "--model-uri"):
        parser.add_argument(key, required=True)
    parser.add_argument("--per-second", type=float, default=1.0)
    return parser.parse_args()


def register(models: Iterable[MemberModel], workspace: WorkspaceModels, pause_s: float) -> None:
    """Register what is missing, with a pause between the beginnings of two registrations."""
    number = registered = 0
    next_at = time.monotonic()
    for number, model in enumerate(models, start=1):
        if not workspace.has(model.name, model.version):
            time.sleep(max(0.0, next_at - time.monotonic()))
            next_at = time.monotonic() + pause_s
            workspace.put(model.name, model.version, model.body)
            registered += 1
        if number % LOGGED_EVERY == 0:
            log.info("members_registered members=%d new=%d", number, registered)
    log.info("all_members_registered members=%d new=%d", number, registered)


if __name__ == "__main__":
    try:
        main()
    except SetError as error:
        raise SystemExit(f"\nThe model does not fit: {error}") from None
