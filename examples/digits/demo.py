"""The demo: a model earns its place, three months are scored, one has drifted, a new model takes over.

It is a user like any other: uploads with azure-storage-blob, looks with azure-ai-ml and the service's API.
Exits non-zero if anything that it promises did not happen.
"""

import os
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING

from examples.digits import installation, models
from examples.digits.arrivals import LATE, MONTHS, Arrivals
from examples.digits.installation import DATA, LOG, ROOT
from examples.digits.models import MODEL, DemoError
from examples.digits.outcome import Outcome, find_scoring, promises, rerun, show
from examples.digits.progress import Progress
from examples.digits.screen import console, step, title
from tidegate.api_client import ApiError
from tidepool.cloud import Tidepool, TidepoolError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PATIENCE_S = 300
BAD_ITERATIONS = 10


def main() -> int:
    started = time.monotonic()
    cloud = _fresh_cloud()
    os.environ.update(cloud.environment())
    installation.deploy()
    demo = Demo(cloud)
    try:
        demo.run()
    except (DemoError, ApiError) as error:
        demo.broken.append(str(error))
    for promise in demo.broken:
        console.print(f"[red]Not as promised:[/] {promise}")
    console.print(f"\n{time.monotonic() - started:.0f} s. Tidepool is still up. Try:")
    for command, what in TO_TRY:
        console.print(f"  [bold]{command:<60}[/] {what}")
    return 1 if demo.broken else 0


class Demo:
    """The story, from the first model to the third."""

    def __init__(self, cloud: Tidepool) -> None:
        self.broken: list[str] = []
        self._cloud = cloud
        self._arrivals = Arrivals()
        self._progress = Progress(LOG)
        self._began: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def run(self) -> None:
        console.print(
            "\nBelow: what comes in, an event or a command → the handler that takes it → what that sends on."
        )
        self._first_model()
        self._months()
        self._drift()
        self._bad_model()
        self._cloud.settle()
        self._report()

    def _first_model(self) -> None:
        title("A first model: trained, judged on the holdout, approved, promoted, rolled out")
        installation.prepare(self._ml)
        models.begin_training(self._ml)
        self._crown("1")

    def _months(self) -> None:
        """Three months arrive one after the other, and a late file last."""
        for arrival in MONTHS:
            title(f"{arrival.month}: {arrival.says}")
            self._arrivals.upload(arrival)
            self._begin(f"{arrival.month}-1-g1")
        self._wait(*(f"{arrival.month}-1-g1" for arrival in MONTHS))
        title(f"{LATE}: one more file comes late")
        self._arrivals.upload_late()
        self._begin(f"{LATE}-2-g1")

    def _drift(self) -> None:
        """The last month was dark: its drift has a model trained anew, which walks the same way."""
        dark = MONTHS[-1].month
        title(f"{dark} has drifted: a model is trained anew on it, and has to beat the champion")
        self._crown("2")
        title(f"{dark} again, with the new champion")
        rerun(dark, "the champion learned to see in the dark")
        self._begin(f"{dark}-1-g2")
        models.begin_training(self._ml, iterations=BAD_ITERATIONS)
        self._wait(f"{LATE}-2-g1", f"{dark}-1-g2")

    def _bad_model(self) -> None:
        title("A bad model: trained for ten rounds only")
        refused = models.wait_for("3", models.FINAL | {"passed"}, self._progress.show)
        models.print_verdict(refused)
        if refused["state"] != "refused":
            self.broken.append(f"the bad model {MODEL}:3 is {refused['state']}, not refused")

    def _report(self) -> None:
        console.print()
        due = [promise for promise in promises() if promise.result in self._ended]
        outcomes = [Outcome.of(one, self._ended[one.result] - self._began[one.result]) for one in due]
        show(outcomes, console)
        console.print("Accuracy: against the known labels, of the images that no model has learned from.")
        told = (one.broken_by(outcome) for one, outcome in zip(due, outcomes, strict=True))
        self.broken += [words for words in told if words]
        accuracy = {outcome.result: outcome.accuracy for outcome in outcomes}
        dark = MONTHS[-1].month
        if accuracy[f"{dark}-1-g2"] <= accuracy[f"{dark}-1-g1"]:
            self.broken.append(f"the new model is no better in the dark month {dark}")

    def _crown(self, version: str) -> None:
        installation.crown(version, self._progress.show)

    def _begin(self, result: str) -> None:
        self._began[result] = time.monotonic()
        self._progress.show()

    def _wait(self, *results: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while missing := [result for result in results if result not in self._ended]:
            if time.monotonic() > deadline:
                raise DemoError(f"{', '.join(missing)} did not end in {PATIENCE_S} s")
            self._progress.show()
            self._ended |= {result: time.monotonic() for result in missing if find_scoring(result)}
            time.sleep(0.5)

    @cached_property
    def _ml(self) -> "MLClient":
        return Arrivals.workspace()


TO_TRY = (
    ('eval "$(.venv/bin/tidepool env)"', "from here on, every Azure SDK in this shell talks to it"),
    (".venv/bin/python -m examples.digits.drop 202611", "one more PNG arrives: see it scored"),
    ('.venv/bin/tidegate rerun digits 202611 --reason "curious"', "score it again, as a new generation"),
    ("make down", "stop it"),
)


def _fresh_cloud() -> Tidepool:
    """Tidepool with the service in it, and nothing from before."""
    cloud = Tidepool(DATA, app=ROOT)
    try:
        cloud.stop()
        if DATA.exists():
            console.print("From the beginning: what Tidepool kept in .tidepool until now is deleted.")
        cloud.delete()
        with step("Tidepool starts: identity, storage, Azure ML, Event Grid, Functions host"):
            cloud.start(detach=True)
    except TidepoolError as error:
        raise SystemExit(f"The demo cannot begin: {error}") from error
    return cloud


if __name__ == "__main__":
    sys.exit(main())
