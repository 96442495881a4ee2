"""`make up`: Tidepool with the example installed and its first model in production.

Everything that exists already is kept. After a change of the code or of tidegate.yml it runs the new package.
"""

import os
from pathlib import Path

from examples.digits import installation, models, service_api
from examples.digits.arrivals import CONTAINER, Arrivals
from examples.digits.installation import DATA
from examples.digits.screen import DemoError, Screen
from examples.digits.service_api import MODEL
from tidegate.api_client import ApiError
from tidepool.cloud import Tidepool, TidepoolError


def main() -> None:
    try:
        _up(Screen())
    except (DemoError, ApiError) as error:
        raise SystemExit(f"Not ready: {error}. The log is .tidepool/logs/functions.log") from error
    except TidepoolError as error:
        raise SystemExit(f"Not ready: {error}") from error


def _up(screen: Screen) -> None:
    package = installation.package(screen)
    cloud = Tidepool(DATA, app=package)
    if _runs(package):
        cloud.attach()
    else:
        cloud.stop()
        with screen.step("Tidepool starts: storage, Azure ML, Event Grid, Functions host"):
            cloud.start(detach=True)
    os.environ.update(cloud.environment())
    installation.deploy(screen)
    champion = service_api.champion() or _first_champion(screen)
    screen.say(
        f"\nTidepool is running, and {MODEL}:{champion} is in production.",
        f"A month is a folder of PNG files in the container {CONTAINER}, such as 202612/,",
        "with the file _SUCCESS as its last one.",
    )
    screen.say_command(
        'eval "$(.venv/bin/tidepool env)"', "connects every Azure SDK of this shell to Tidepool"
    )
    screen.say_command("make down", "stops it, and keeps its data")


def _runs(package: Path) -> bool:
    """Return whether Tidepool runs this package. Changed code or a changed tidegate.yml is another one."""
    running = Tidepool(DATA)
    if not running.is_running:
        return False
    running.attach()
    return str(package) in [site["app_dir"] for site in running.status()["sites"]]


def _first_champion(screen: Screen) -> str:
    """Train, judge and promote the first model, and return its version."""
    ml = Arrivals.workspace()
    installation.prepare(ml, screen)
    version = "1"
    if service_api.model_version(version) is None:
        models.begin_training(ml)
    with screen.step(f"A first model is trained and judged: {MODEL}:{version}"):
        judged = models.wait_until_judged(version, screen)
    models.show_verdict(judged, screen)
    models.make_champion(judged, screen)
    return version


if __name__ == "__main__":
    main()
