"""`make up` of model sets: Tidepool with a first set in production, one model for each store and product.

Everything that exists already is kept. After a change of the code or of tidegate.yml it runs the new package.
"""

from examples import local_cloud
from examples.sales.demo import CONTAINER, EXAMPLE, MODEL, Demo
from examples.screen import DemoError, Screen

KEYS = 40  # fewer than in the demo, so that it is quicker


def main() -> None:
    local_cloud.run(_up)


def _up(screen: Screen) -> None:
    demo = Demo(local_cloud.running_cloud(screen, EXAMPLE), screen, KEYS)
    local_cloud.deploy(screen)
    champion = demo.champion or demo.first_set()
    if demo.broken:
        raise DemoError("; ".join(demo.broken))
    screen.say(
        f"\nTidepool is running, and the set {MODEL}:{champion} is in production.",
        f"A month is a folder of Parquet files in the container {CONTAINER}, such as sales/202612/, with the",
        "file _SUCCESS as its last one.",
    )
    screen.say_how_to_use_it()


if __name__ == "__main__":
    main()
