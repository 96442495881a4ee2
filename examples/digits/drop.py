"""Upload one more digit into a month, and show which digit the model reads in it."""

import argparse
import os
import re
import time
from typing import Any

from examples.digits import images
from examples.digits.arrivals import Arrivals
from examples.digits.promises import predictions
from examples.digits.service_api import FEED, FINAL, latest_scoring
from examples.local_cloud import DATA
from examples.screen import DemoError, Screen
from tidegate.api_client import ApiError
from tidepool.cloud import Tidepool, TidepoolError

PATIENCE_S = 180


def main() -> None:
    arguments = _parser().parse_args()
    cloud = Tidepool(DATA)
    try:
        cloud.attach()
    except TidepoolError as error:
        raise SystemExit(f"{error} Start it with: make up") from error
    os.environ.update(cloud.environment())
    try:
        _drop(arguments.month, complete=arguments.complete)
    except ApiError as error:
        raise SystemExit(
            f"{error}\nIf the service does not run, start it again: make down; make up"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.digits.drop", description=__doc__)
    parser.add_argument("month", type=_month, help="year and month, such as 202612")
    parser.add_argument(
        "--complete",
        action="store_true",
        help="also upload the marker file _SUCCESS, which completes a month",
    )
    return parser


def _month(text: str) -> str:
    if not re.fullmatch(r"20\d\d(0[1-9]|1[0-2])", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a month: write year and month, such as 202612")
    return text


def _drop(month: str, *, complete: bool) -> None:
    screen = Screen()
    before = latest_scoring(month)
    digit = images.month("202612", 500)[int(time.time()) % 500]
    name = f"dropped-{int(time.time())}.png"
    Arrivals().put(f"{month}/{name}", digit.png)
    if complete:
        Arrivals().put(f"{month}/_SUCCESS", b"")
    files = f"{month}/{name} and the marker file are" if complete else f"{month}/{name} is"
    screen.say(f"{files} uploaded. The image shows the digit {digit.label}.")
    with screen.step("The service waits until the month is complete, and scores it"):
        scoring = _wait_for_scoring(month, (before or {}).get("name"), screen)
    screen.say(f"The scoring {scoring['name']} is {scoring['state']}. {scoring['error'] or ''}".rstrip())
    if scoring["state"] == "scored":
        url, rows = predictions(scoring["name"])
        label = next(row["label"] for row in rows if row["img"] == name)
        screen.say(f"{scoring['model']} reads the new image as {label}. It is one of {len(rows)} rows of")
        screen.console.print(f"   {url}", soft_wrap=True)


def _wait_for_scoring(month: str, before: str | None, screen: Screen) -> dict[str, Any]:
    """Return the ended scoring that came after the one named `before`."""

    def look() -> dict[str, Any] | None:
        scoring = latest_scoring(month)
        is_new = scoring and scoring["state"] in FINAL and scoring["name"] != before
        return scoring if is_new else None

    try:
        return screen.wait(look, PATIENCE_S, f"No new scoring of {month} ended")
    except DemoError as error:
        raise SystemExit(
            f"{error}. Without the marker file a month may wait for more files: try --complete, or see\n"
            f".venv/bin/tidepool run -- .venv/bin/tidegate partition {FEED} {month}"
        ) from error


if __name__ == "__main__":
    main()
