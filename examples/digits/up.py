"""`make up`: Tidepool with the example installed in it and its first model in production, ready for a month.

What is there already stays as it is.
"""

import os

from examples.digits import installation, models
from examples.digits.arrivals import CONTAINER, Arrivals
from examples.digits.installation import DATA, LOG, ROOT
from examples.digits.models import MODEL, DemoError
from examples.digits.progress import Progress
from examples.digits.screen import console, step, title
from tidegate.api_client import ApiError
from tidepool.cloud import Tidepool, TidepoolError


def main() -> None:
    try:
        _up()
    except (DemoError, ApiError) as error:
        raise SystemExit(f"Not ready: {error}. See .tidepool/logs/functions.log") from error
    except TidepoolError as error:
        raise SystemExit(f"Not ready: {error}") from error


def _up() -> None:
    cloud = Tidepool(DATA, app=ROOT)
    if cloud.is_running:
        cloud.attach()
    else:
        with step("Tidepool starts: identity, storage, Azure ML, Event Grid, Functions host"):
            cloud.start(detach=True)
    os.environ.update(cloud.environment())
    installation.deploy()
    champion = models.champion()
    if champion is None:
        champion = _first_champion()
    console.print(
        f"\nTidepool is up, and {MODEL}:{champion} is in production. A month is a folder of PNG files in the "
        f"container {CONTAINER}, such as 202612/, with the file _SUCCESS as its last one.\n"
        'Reach it with  [bold]eval "$(.venv/bin/tidepool env)"[/]   Stop it with  [bold]make down[/]'
    )


def _first_champion() -> str:
    title("A first model: trained, judged on the holdout, approved, promoted, rolled out")
    ml, version = Arrivals.workspace(), "1"
    installation.prepare(ml)
    if models.find(version) is None:
        models.begin_training(ml)
    installation.crown(version, Progress(LOG).show)
    return version


if __name__ == "__main__":
    main()
