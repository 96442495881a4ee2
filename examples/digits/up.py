"""`make up`: Tidepool with the example installed and its first model in production.

Everything that exists already is kept. After a change of the code or of tidegate.yml it runs the new package.
"""

from examples import local_cloud
from examples.digits import models, service_api
from examples.digits.arrivals import CONTAINER
from examples.digits.service_api import MODEL
from examples.screen import Screen


def main() -> None:
    local_cloud.run(_up)


def _up(screen: Screen) -> None:
    local_cloud.running_cloud(screen, "digits")
    local_cloud.deploy(screen)
    champion = service_api.champion() or _first_champion(screen)
    screen.say(
        f"\nTidepool is running, and {MODEL}:{champion} is in production.",
        f"A month is a folder of PNG files in the container {CONTAINER}, such as 202612/,",
        "with the file _SUCCESS as its last one.",
    )
    screen.say_how_to_use_it()


def _first_champion(screen: Screen) -> str:
    """Train, judge and promote the first model, and return its version."""
    ml = local_cloud.development()
    models.prepare(ml, screen)
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
