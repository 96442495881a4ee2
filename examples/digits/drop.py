"""One more digit arrives in a month: says what becomes of it. `python -m examples.digits.drop MONTH`."""

import argparse
import os
import time

from examples.digits import images
from examples.digits.arrivals import Arrivals
from examples.digits.installation import DATA
from examples.digits.outcome import FINAL, latest_scoring
from tidepool.cloud import Tidepool

PATIENCE_S = 180


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.digits.drop", description=__doc__)
    parser.add_argument("month", help="202609, 202610 or 202611")
    month = parser.parse_args().month
    cloud = Tidepool(DATA)
    cloud.attach()
    os.environ.update(cloud.environment())
    before = latest_scoring(month)
    digit = images.month("202612", 500)[int(time.time()) % 500]
    name = f"{month}/dropped-{int(time.time())}.png"
    Arrivals().put(name, digit.png)
    print(f"{name} is there; a person wrote {digit.label}. Waiting for quiet, and for a new version ...")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        scoring = latest_scoring(month)
        if scoring and scoring["state"] in FINAL and scoring["name"] != (before or {}).get("name"):
            print(f"{scoring['name']} is {scoring['state']}: {scoring['outcome'] or scoring['error']}")
            return
        time.sleep(1)
    raise SystemExit(f"Nothing new in {PATIENCE_S} s: .venv/bin/tidegate month {month}")


if __name__ == "__main__":
    main()
