"""One more digit arrives in a month: says what becomes of it. `python -m examples.digits.drop MONTH`."""

import argparse
import os
import re
import time

from examples.digits import images
from examples.digits.arrivals import Arrivals
from examples.digits.installation import DATA
from examples.digits.outcome import FINAL, latest_scoring, predictions
from tidegate.api_client import ApiError
from tidepool.cloud import Tidepool, TidepoolError

PATIENCE_S = 180


def main() -> None:
    arguments = _parser().parse_args()
    cloud = Tidepool(DATA)
    try:
        cloud.attach()
    except TidepoolError as error:
        raise SystemExit(f"{error} Here: make up") from error
    os.environ.update(cloud.environment())
    try:
        _drop(arguments.month, complete=arguments.complete)
    except ApiError as error:
        raise SystemExit(f"{error}. Is the service there (make down; make up)?") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.digits.drop", description=__doc__)
    parser.add_argument("month", type=_month, help="as 202612")
    parser.add_argument(
        "--complete", action="store_true", help="then the marker _SUCCESS, the last file of a month"
    )
    return parser


def _month(text: str) -> str:
    if not re.fullmatch(r"20\d\d(0[1-9]|1[0-2])", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no month: write it as 202612")
    return text


def _drop(month: str, *, complete: bool) -> None:
    before = latest_scoring(month)
    digit = images.month("202612", 500)[int(time.time()) % 500]
    name = f"dropped-{int(time.time())}.png"
    Arrivals().put(f"{month}/{name}", digit.png)
    if complete:
        Arrivals().put(f"{month}/_SUCCESS", b"")
    waits = "the marker says that it is the last" if complete else "waiting for quiet"
    print(f"{month}/{name} is there, a {digit.label}; {waits} ...")
    scoring = _ended(month, (before or {}).get("name"))
    print(f"{scoring['name']} is {scoring['state']}. {scoring['error'] or ''}".rstrip())
    if scoring["state"] == "scored":
        url, rows = predictions(scoring["name"])
        label = next(row["label"] for row in rows if row["img"] == name)
        print(f"{scoring['model']} takes it for a {label}: one of {len(rows)} rows of\n{url}")


def _ended(month: str, before: str | None) -> dict[str, str]:
    """The scoring that comes after the one of that name, when it has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        scoring = latest_scoring(month)
        if scoring and scoring["state"] in FINAL and scoring["name"] != before:
            return scoring
        time.sleep(1)
    raise SystemExit(
        f"Nothing new in {PATIENCE_S} s: .venv/bin/tidegate month {month}. Without a marker it may wait for "
        "more files; --complete brings one"
    )


if __name__ == "__main__":
    main()
