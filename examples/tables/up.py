"""`make up` of tables: Tidepool with the service, a first model that is judged, and a month that is scored.

Everything that exists already is kept. After a change of the code or of tidegate.yml it runs the new package.
"""

import contextlib
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from examples import local_cloud
from examples.screen import DemoError, Screen
from examples.tables import orders
from tidegate.api_client import ApiClient, NotFoundApiError
from tidegate.log import quiet_uploads

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

FEED, MODEL, CONTAINER, MONTH = "orders", "delivery-hours", "orders", "202610"
PATIENCE_S = 300
_HERE = Path(__file__).parent
_ENDED = {"scored", "incomplete", "superseded", "failed", "cancelled"}


def main() -> None:
    local_cloud.run(_up)


def _up(screen: Screen) -> None:
    local_cloud.running_cloud(screen, "tables")
    local_cloud.deploy(screen)
    ml = local_cloud.development()
    if not [model for model in ml.models.list() if model.name == MODEL]:
        _train(ml, screen)
    _judged(screen)
    scoring = _scoring() or _score_a_month(screen)
    if scoring["state"] != "scored":
        raise DemoError(f"{scoring['name']} is {scoring['state']}: {scoring['error'] or scoring['outcome']}")
    outcome = scoring["outcome"]
    screen.say(
        f"\nTidepool is running, and {MONTH} is scored: {outcome['rows']} rows, {outcome['errors']} without",
        f"a prediction. {outcome['csv']}",
        f"A month is a folder of Parquet or CSV files in the container {CONTAINER}, such as 202612/,",
        "with the file _SUCCESS as its last one.",
    )
    screen.say_how_to_use_it()


def _train(ml: "MLClient", screen: Screen) -> None:
    """Register past orders, and train the first version of the model on the older ones."""
    from azure.ai.ml import load_job
    from azure.ai.ml.entities import Data

    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    with screen.step("Past orders, and a cluster"), quiet_uploads():
        for name, table in (("orders-history", orders.history()), ("orders-holdout", orders.holdout())):
            with tempfile.TemporaryDirectory() as folder:
                pq.write_table(table, Path(folder, "orders.parquet"))
                ml.data.create_or_update(Data(name=name, version="1", type="uri_folder", path=folder))
        local_cloud.make_cluster(ml)
    with screen.step(f"A first model is trained: {MODEL}:1"):
        with quiet_uploads():
            job = ml.jobs.create_or_update(load_job(_HERE / "training.yml"))

        def ended() -> Any:
            current = ml.jobs.get(job.name)
            return current if current.status in ("Completed", "Failed", "Canceled") else None

        state = screen.wait(ended, PATIENCE_S, "The training did not end").status
    if state != "Completed":
        raise DemoError(f"the training {job.name} is {state}")


def _judged(screen: Screen) -> None:
    """Wait until the first version is judged and promoted. Raise DemoError if the gate refuses it."""
    client = _client()

    def verdict() -> dict[str, Any] | None:
        with contextlib.suppress(NotFoundApiError):  # the event of its registration has not arrived yet
            version = dict(client.get(f"/api/models/{MODEL}/versions/1"))
            return version if version["state"] in ("champion", "retired", "refused", "cancelled") else None
        return None

    with screen.step(f"{MODEL}:1 is judged on later orders, and promoted"):
        version = screen.wait(verdict, PATIENCE_S, f"{MODEL}:1 was not judged")
    if version["state"] in ("refused", "cancelled"):
        raise DemoError(f"{MODEL}:1 is {version['state']}: {version['error']}")


def _score_a_month(screen: Screen) -> dict[str, Any]:
    with screen.step(f"The orders of {MONTH} arrive, and are scored"):
        local_cloud.upload(CONTAINER, MONTH, orders.month_of(MONTH))
        return screen.wait(_scoring, PATIENCE_S, f"{MONTH} was not scored")


def _scoring() -> dict[str, Any] | None:
    """Return the newest scoring of the month that has ended, or None."""
    try:
        scorings = _client().get(f"/api/feeds/{FEED}/partitions/{MONTH}/jobs")
    except NotFoundApiError:  # no file has arrived yet
        return None
    ended = [scoring for scoring in scorings if scoring["state"] in _ENDED]
    return dict(ended[-1]) if ended else None


def _client() -> ApiClient:
    return ApiClient(os.environ["FUNCTIONS_URL"], os.environ["FUNCTIONS_KEY"])


if __name__ == "__main__":
    main()
