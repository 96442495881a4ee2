"""The demo: a model becomes champion, three months are scored, one has drifted, a new model takes over.

The demo uses what any user has: azure-storage-blob to upload, azure-ai-ml to train, and the API of the
service. It exits with 1 if a promise of the demo was not kept.
"""

import argparse
import os
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from examples import local_cloud
from examples.digits import models, service_api
from examples.digits.arrivals import LATE, LATE_NAME, MONTHS, Arrivals
from examples.digits.promises import Outcome, outcome_table, promises
from examples.digits.service_api import MODEL
from examples.local_cloud import LOG
from examples.message_flow import MessageFlow
from examples.screen import DemoError, Screen
from tidegate.api_client import ApiError
from tidepool.cloud import Tidepool
from tidepool.functions.front_end import DEVELOPER, sign_in_url

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

PATIENCE_S = 300
BAD_ITERATIONS = 10
DARK = MONTHS[-1].month

TO_TRY = (
    (
        ".venv/bin/tidepool run -- .venv/bin/tidegate partitions",
        "shows every month with its state and its result; `tidegate --help` lists all commands",
    ),
    (
        f".venv/bin/tidepool run -- .venv/bin/tidegate model {MODEL} 3",
        "shows why the gate refused the third model",
    ),
    (
        f".venv/bin/python -m examples.digits.drop {LATE}",
        "uploads one more image, waits until the month is scored again, and shows the prediction",
    ),
)


def main() -> int:
    started = time.monotonic()
    verbose = _parser().parse_args().verbose
    screen = Screen(MessageFlow(LOG) if verbose else None)
    screen.say(
        "[bold]Tidegate demo.[/] Images of handwritten digits arrive month by month, and a model reads them.",
        "Everything runs on this computer, in the local cloud Tidepool; no Azure account is used.",
        "It takes about three minutes.",
    )
    if verbose:
        screen.say(
            "Indented lines show each message: an event or a command → its handler → the next commands."
        )
    demo = Demo(local_cloud.fresh_cloud(screen, "digits"), screen)
    try:
        demo.run()
    except (DemoError, ApiError) as error:
        demo.broken.append(str(error))
    demo.report(time.monotonic() - started)
    return 1 if demo.broken else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make demo", description="A model becomes champion, months are scored."
    )
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="also show each message: event → handler → commands that follow",
    )
    return parser


class Demo:
    """The story in chapters.

    Each chapter says what happens, what the service does, and what the result is.
    """

    def __init__(self, cloud: Tidepool, screen: Screen) -> None:
        self.broken: list[str] = []
        self._kept: list[str] = []
        self._cloud = cloud
        self._screen = screen
        self._arrivals = Arrivals()
        self._began: dict[str, float] = {}
        self._outcomes: dict[str, Outcome] = {}

    def run(self) -> None:
        local_cloud.deploy(self._screen)
        models.prepare(self._ml, self._screen)
        self._first_model()
        self._three_months()
        self._late_file()
        self._drift()
        self._dark_month_again()
        self._bad_model()
        with self._screen.step("The service has no work left"):
            self._cloud.settle()

    def report(self, seconds: float) -> None:
        """Print which promises were kept, and what to try next."""
        self._screen.report(self._kept, self.broken, seconds, TO_TRY)
        self._screen.say_address(
            "The page of the service, signed in as operator and approver:", page_address()
        )

    def _first_model(self) -> None:
        self._screen.chapter("The first model is judged before it is used")
        self._screen.say(
            "A data scientist submits a training job. Azure ML announces the new model, and the service",
            "evaluates it on a holdout: images that it was not trained on, a third of them dark (the slice",
            "night). The gate compares each value with its limit in tidegate.yml.",
        )
        models.begin_training(self._ml)
        self._judge_and_promote("1")

    def _three_months(self) -> None:
        self._screen.chapter("Three months of images arrive")
        self._screen.say(
            "The service waits until a month is complete: here by a marker file, a list of names, or a time",
            "without new files. It lists the files (version 1), runs the scoring pipeline, and publishes its",
            "CSV only if that has one row for each file.",
        )
        for arrival in MONTHS:
            with self._screen.step(f"{arrival.month}: {arrival.text}"):
                self._arrivals.upload(arrival)
            self._begin(f"{arrival.month}-1-g1")
        scorings = [f"{arrival.month}-1-g1" for arrival in MONTHS]
        self._wait_for_scorings("The service scores the three months", *scorings)
        self._screen.say(
            f"{LATE}-1-g1 is the month {LATE}, version 1 of its files, and its first scoring (generation 1).",
            "A broken file is a row with its error. Accuracy is measured with labels that the service does",
            f"not have. It is low for {DARK}, because its images are dark.",
        )

    def _late_file(self) -> None:
        self._screen.chapter(f"One more file arrives late, for {LATE}")
        self._screen.say(
            f"The file {LATE_NAME} changes a month that was scored already. The service makes version 2 of",
            "the month and scores all its files again. Version 1 and its predictions are kept.",
        )
        self._arrivals.upload_late()
        self._begin(f"{LATE}-2-g1")
        self._wait_for_scorings(f"The service scores version 2 of {LATE}", f"{LATE}-2-g1")

    def _drift(self) -> None:
        self._screen.chapter(f"{DARK} has drifted, so the service trains a new model")
        signals = {signal["about"]: signal for signal in service_api.drift_signals() if signal["breached"]}
        why = "; ".join(signal["why"] for signal in signals.values()) or "no drift was recorded"
        self._screen.say(
            "After each scoring the service compares the month with the data that the model was trained on.",
            f"For {DARK} it recorded: [italic]{why}[/].",
            "It trains a model on the months and the labels that came with them. The new model must not be",
            "worse than the champion on the same holdout.",
        )
        self._judge_and_promote("2")

    def _dark_month_again(self) -> None:
        self._screen.chapter(f"{DARK} is scored again, with the new champion")
        self._screen.say(
            "A person asks for it, as with `tidegate rerun`. It becomes generation 2 of the same files.",
            f"Meanwhile a data scientist submits a training of {BAD_ITERATIONS} rounds, which is too few.",
        )
        service_api.rerun(DARK, "the new champion was trained on dark images")
        self._begin(f"{DARK}-1-g2")
        models.begin_training(self._ml, iterations=BAD_ITERATIONS)
        self._wait_for_scorings(f"The service scores {DARK} again", f"{DARK}-1-g2")
        before, after = (self._outcomes[f"{DARK}-1-g{generation}"].accuracy for generation in (1, 2))
        if after > before:
            self._kept.append(f"The new model reads {DARK} better: {after:.0%} instead of {before:.0%}")
        else:
            self.broken.append(f"The new model reads {DARK} no better: {after:.0%} after {before:.0%}")

    def _bad_model(self) -> None:
        self._screen.chapter("A bad model is refused")
        with self._screen.step(f"The service judges {MODEL}:3"):
            version = models.wait_until_judged("3", self._screen)
        models.show_verdict(version, self._screen)
        self._screen.say(f"The champion stays {MODEL}:{service_api.champion()} in production.")
        if version["state"] == "refused":
            self._kept.append(f"The bad model {MODEL}:3 is refused")
        else:
            self.broken.append(f"The bad model {MODEL}:3 is {version['state']}, not refused")

    def _judge_and_promote(self, version: str) -> None:
        with self._screen.step(f"{MODEL}:{version} is trained and judged"):
            judged = models.wait_until_judged(version, self._screen)
        models.show_verdict(judged, self._screen)
        self._screen.say("The policy asks for a person's approval. The demo approves the verdict.")
        models.make_champion(judged, self._screen)

    def _begin(self, scoring: str) -> None:
        self._began[scoring] = time.monotonic()
        self._screen.show_messages()

    def _wait_for_scorings(self, what: str, *scorings: str) -> None:
        """Wait until these scorings have ended, show their outcomes, and check their promises."""
        ended: dict[str, float] = {}

        def look() -> dict[str, Any] | None:
            waiting = [scoring for scoring in scorings if scoring not in ended]
            ended.update({name: time.monotonic() for name in waiting if service_api.ended_scoring(name)})
            return ended if len(ended) == len(scorings) else None

        with self._screen.step(what):
            self._screen.wait(look, PATIENCE_S, f"Not all of {', '.join(scorings)} ended")
        for scoring in scorings:
            promise = promises()[scoring]
            outcome = Outcome.of(promise, ended[scoring] - self._began[scoring])
            self._outcomes[scoring] = outcome
            problem = promise.broken_by(outcome)
            (self.broken if problem else self._kept).append(problem or promise.text)
        self._screen.show(outcome_table(self._outcomes[scoring] for scoring in scorings))

    @cached_property
    def _ml(self) -> "MLClient":
        return local_cloud.development()


def page_address() -> str:
    """Return the address of the page that signs a person in with every role."""
    return sign_in_url(os.environ["FUNCTIONS_URL"], DEVELOPER)


if __name__ == "__main__":
    sys.exit(main())
