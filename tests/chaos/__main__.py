"""`make chaos SEED= MINUTES=`: months and models under faults, then a check that every invariant holds."""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from tests.chaos.invariants import broken
from tests.chaos.run import run
from tests.chaos.sabotage import SABOTAGES
from tidegate.log import quiet_uploads
from tidepool.cloud import Tidepool


def main() -> int:
    """Run the chaos of a seed on a new local cloud, and return 1 if an invariant is broken, else 0."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the same seed plans the same steps and faults")
    parser.add_argument("--minutes", type=float, default=5, help="for how long new steps begin")
    parser.add_argument("--steps", type=int, help="how many steps at most")
    parser.add_argument(
        "--sabotage", choices=SABOTAGES, help="break the product on purpose: the run must fail"
    )
    chosen = parser.parse_args()
    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    console, end = Console(highlight=False), time.monotonic() + chosen.minutes * 60
    with (
        tempfile.TemporaryDirectory() as folder,
        Tidepool(Path(folder, "cloud"), seed=chosen.seed) as cloud,
        quiet_uploads(),
    ):
        os.environ.update(cloud.environment())
        with run(
            cloud,
            Path(folder),
            seed=chosen.seed,
            until=lambda step: time.monotonic() > end or step > (chosen.steps or step),
            sabotage=chosen.sabotage,
            report=lambda text: console.print(text, markup=False),
        ) as chaos:
            sentences = broken(chaos)
            months, jobs = len(chaos.files), len(chaos.installation.jobs())
            done = ", ".join(f"{count} {kind}" for kind, count in sorted(chaos.done.items()))
            console.print(f"Done: {done}. There are {months} months, {jobs} scoring jobs.")
    for sentence in sentences:
        console.print(f"BROKEN: {sentence}", markup=False)
    if sentences:
        console.print(
            f"The same plan again: make chaos SEED={chosen.seed} MINUTES={chosen.minutes:g}", soft_wrap=True
        )
    else:
        console.print("Every invariant holds.")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
