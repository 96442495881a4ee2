"""The demo of model sets: 200 models in one version, of which a month later three are trained again.

It exits with 1 if a promise of the demo was not kept.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.table import Table

from examples import local_cloud
from examples.sales.sales import ARRIVES, HISTORY, all_keys, delivery, faults_of
from examples.screen import DemoError, Screen
from tidegate.api_client import ApiClient, ApiError
from tidegate.cli.model_tables import rules_table
from tidepool.cloud import Tidepool, UnsettledError

KEYS = 200
EXAMPLE, MODEL, FEED, CONTAINER = "sales", "sales", "sales", "images"
PATIENCE_S = 900
_AFTER_ARRIVAL_S = 31  # the service waits half a minute for other partitions that arrive together
_TIMER_S = 300
_ENDED = {"scored", "incomplete", "superseded", "failed", "cancelled"}
_RUN = ".venv/bin/tidepool run -- .venv/bin/tidegate"
TO_TRY = (
    (f"{_RUN} members {MODEL} --where store=001", "shows the members of a store, with state and metrics"),
    (
        f"{_RUN} members {MODEL} --where store=003 --where product=07 --history",
        "shows one key in each version of the set",
    ),
    (f"{_RUN} model {MODEL}", "shows the versions, the trainings and what happened"),
)


def main() -> int:
    started = time.monotonic()
    screen = Screen()
    screen.say(
        f"[bold]Tidegate demo of model sets.[/] {KEYS} combinations of store and product, each with a model",
        "of its own, all in one model version. Everything runs on this computer.",
    )
    demo = Demo(local_cloud.fresh_cloud(screen, EXAMPLE), screen)
    try:
        demo.run()
    except (DemoError, ApiError) as error:
        demo.check(str(error), kept=False)
    demo.report(time.monotonic() - started)
    return 1 if demo.broken else 0


class Demo:
    """The story in chapters."""

    def __init__(self, cloud: Tidepool, screen: Screen, keys: int = KEYS) -> None:
        self.broken: list[str] = []
        self._kept: list[str] = []
        self._cloud, self._screen = cloud, screen
        self._keys = all_keys(keys)
        self._faults = faults_of(self._keys)
        self._api = ApiClient(
            os.environ["FUNCTIONS_URL"],
            os.environ["FUNCTIONS_KEY"],
            token=os.environ.get("FUNCTIONS_TOKEN", ""),
        )

    def run(self) -> None:
        local_cloud.deploy(self._screen)
        first = self.first_set()
        self._forecast(HISTORY)
        self._actual_values(first)
        with self._screen.step("The service has no work left"):
            self._cloud.settle(PATIENCE_S)

    @property
    def champion(self) -> str | None:
        """Return the version that is in production, or None."""
        record = self._model()["champion"]
        return str(record["version"]) if record else None

    def check(self, promise: str, *, kept: bool) -> None:
        (self._kept if kept else self.broken).append(promise)

    def report(self, seconds: float) -> None:
        """Print which promises were kept, and what to try next."""
        self._screen.report(self._kept, self.broken, seconds, TO_TRY)

    def first_set(self) -> str:
        """Upload the history, wait until a set is trained on it and judged, and make it champion."""
        screen = self._screen
        screen.chapter("Sales arrive, and a set of models is trained on them")
        faults = "; ".join(f"{'/'.join(key)}: {text}" for key, text in self._faults.texts.items())
        screen.say(
            "Six months of daily sales arrive, with a plan of the next month without sales. Some keys have",
            f"faults: {faults}.",
        )
        with screen.step("Upload of sales and plan"):
            self._upload(HISTORY)
        version = self._judged("The set is trained, and judged key by key", HISTORY)
        members = self._members(version["version"])
        self._show_states(members)
        known = len(self._keys) - 1  # one is new a month later
        self.check(f"Each of the {known} keys has one row in the index", kept=len(members) == known)
        fallback = [self._key(row) for row in members if row["fallback"]]
        self.check("The key with too few rows has a fallback", kept=fallback == [self._faults.too_few])
        self._promote(version)
        return str(version["version"])

    def _forecast(self, month: str) -> None:
        self._screen.chapter("The plan is forecast")
        scoring = self._scored(month)
        outcome = scoring["outcome"] or {}
        self._screen.say(
            f"{scoring['name']} is {scoring['state']}: {outcome.get('rows')} rows, {outcome.get('errors')} "
            f"without a forecast. {outcome.get('csv') or ''}"
        )
        self.check(f"Every row of {month} has one row in the predictions", kept=scoring["state"] == "scored")

    def _actual_values(self, first: str) -> None:
        screen = self._screen
        screen.chapter("A month later the actual values arrive")
        screen.say(
            "They are compared with the forecasts, key by key. Only keys that got worse, are new, or have",
            "enough rows at last are trained again. All others keep their member.",
        )
        with screen.step("Upload of the actual values and the next plan"):
            self._upload(ARRIVES)
        what = "Forecasts are compared, keys are trained, and the set is judged"
        version = self._judged(what, ARRIVES, than=first)
        [compared] = [a for a in self._model()["activities"] if a["kind"] == "model.compared"]
        screen.say(f"[bold]{compared['title']}[/]")
        for line in compared["text"].splitlines()[1:-1]:
            screen.say(line)
        before = {self._key(row): row["trained_in"] for row in self._members(first)}
        candidate = self._members(version["assembled_from"] or version["version"])
        trained = {self._key(row) for row in candidate if row["trained_in"] != before.get(self._key(row))}
        faults = self._faults
        self.check(
            "Exactly three keys are trained again: one worse, one new, one with enough rows",
            kept=trained == {faults.regime, faults.new, faults.too_few},
        )
        members = self._members(self._promote(version))
        self._show_states(members)
        unchanged = {self._key(row) for row in members if row["trained_in"] == before.get(self._key(row))}
        self.check(
            f"The new champion has {len(self._keys)} keys, and all others keep their member",
            kept=len(members) == len(self._keys) and unchanged >= set(before) - trained,
        )

    def _judged(self, what: str, month: str, than: str = "") -> dict[str, Any]:
        """Wait until a version that is newer than `than` is judged, and return the one that goes on."""

        def registered() -> dict[str, Any] | None:
            months = self._api.get(f"/api/feeds/{FEED}/partitions")
            return next((one for one in months if one["partition"] == month and one["version"]), None)

        with self._screen.step(f"{month} is complete, and registered as a Data asset"):
            # Its plan is scored while the clock moves on, so this does not wait until no work is left.
            self._screen.wait(registered, PATIENCE_S, f"{month} was not registered")
        self._cloud.advance(_AFTER_ARRIVAL_S)

        def look() -> dict[str, Any] | None:
            model = self._model()
            if failed := [a for a in model["activities"] if a["kind"] == "model.retraining_failed"]:
                raise DemoError(failed[-1]["text"])
            judged = [v for v in model["versions"] if v["version"] != than and v["passed"] is not None]
            return judged[0] if judged and not model["retraining"] else None

        with self._screen.step(what):
            newest = self._wait(look, "no set was judged")
        version = self._version(newest["version"])
        self._screen.say(f"[bold]{MODEL}:{version['version']}[/] on {version['verdict']['data']}:")
        self._screen.show(rules_table(version["verdict"]["rules"]))
        if version["assembled_from"]:
            self._screen.say(f"It has the winners of {MODEL}:{version['assembled_from']}, key by key.")
        return version

    def _promote(self, version: dict[str, Any]) -> str:
        """Approve a version, wait until it is champion, and return its number."""
        name, path = version["version"], f"/api/models/{MODEL}/versions/{version['version']}"
        if version["state"] != "passed":
            raise DemoError(f"{MODEL}:{name} is {version['state']}: {version['error']}")
        decision = {
            "approved": True,
            "by": "the demo",
            "reason": "it passed",
            "verdict": version["verdict_id"],
        }
        self._api.post(f"{path}/approval", decision)
        with self._screen.step(f"{MODEL}:{name} is approved and copied to production"):
            self._wait(
                lambda: self._version(name) if self._version(name)["state"] == "champion" else None,
                f"{MODEL}:{name} did not become champion",
            )
        return str(name)

    def _scored(self, month: str) -> dict[str, Any]:
        self._cloud.advance(_TIMER_S)  # the timer scores what waited for the first champion

        def look() -> dict[str, Any] | None:
            scorings = self._api.get(f"/api/feeds/{FEED}/partitions/{month}/jobs")
            ended = [scoring for scoring in scorings if scoring["state"] in _ENDED]
            return ended[-1] if ended else None

        with self._screen.step(f"The set forecasts the plan that came with {month}"):
            return self._wait(look, f"{month} was not scored")

    def _upload(self, month: str) -> None:
        """Upload the files of a month, the marker last."""
        local_cloud.upload(CONTAINER, f"{FEED}/{month}", delivery(self._keys, month))

    def _show_states(self, members: list[dict[str, Any]]) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("state")
        table.add_column("keys", justify="right")
        table.add_column("example")
        counts = Counter(row["state"] for row in members)
        for state, count in counts.most_common():
            row = next(row for row in members if row["state"] == state)
            table.add_row(state, str(count), f"{'/'.join(self._key(row))} {row['reason'] or ''}")
        table.add_row("[bold]all[/]", f"[bold]{sum(counts.values())}[/]", "")
        self._screen.show(table)

    def _wait(self, ask: Callable[[], dict[str, Any] | None], problem: str) -> dict[str, Any]:
        """Wait until no work is left, and then ask. Each question costs the service a look at its ledger."""
        try:
            self._cloud.settle(PATIENCE_S)
        except UnsettledError as error:
            raise DemoError(f"{problem} within {PATIENCE_S} s: {error}") from error
        return self._screen.wait(ask, PATIENCE_S, problem)

    def _model(self) -> dict[str, Any]:
        return dict(self._api.get(f"/api/models/{MODEL}"))

    def _version(self, version: str) -> dict[str, Any]:
        return dict(self._api.get(f"/api/models/{MODEL}/versions/{version}"))

    def _members(self, version: str) -> list[dict[str, Any]]:
        return list(self._api.get(f"/api/models/{MODEL}/members", version=version))

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple[str, str]:
        return row["key"]["store"], row["key"]["product"]


if __name__ == "__main__":
    sys.exit(main())
