"""One row a file: what it says. One that says `broken` is an error, `skip` gets no row, `dark` is drift.

With one that says `endless` the step does not end by itself.
"""

import argparse
import csv
import json
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("images", "manifest", "predictions", "drift"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--max-error-rate", type=float)
    for name in ("partition", "version", "generation"):
        parser.add_argument(f"--{name}")
    asked = parser.parse_args()
    images, manifest, predictions = asked.images, asked.manifest, asked.predictions
    entries = [json.loads(line) for line in manifest.read_text(encoding="utf-8").split("\n") if line]
    names = [entry["name"] for entry in entries]
    unusable = dict.fromkeys((entry["name"] for entry in entries if "error" in entry), "broken")
    read = {
        name: (images / name).read_text()
        for name in names
        if name not in unusable and (images / name).exists()
    }
    said = read | unusable
    if "endless" in said.values():
        time.sleep(600)
    rows = [
        (name, "" if text == "broken" else text, text == "broken")
        for name, text in said.items()
        if text != "skip"
    ]
    predictions.mkdir(parents=True, exist_ok=True)
    with (predictions / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["img", "label", "score", "error"])
        writer.writerows([name, label, "", "broken" if broken else ""] for name, label, broken in rows)
    errors = sum(broken for _, _, broken in rows)
    missing = sorted(set(names) - {name for name, _, _ in rows})
    rate = errors / len(names)
    outcome = {
        "verdict": "incomplete" if missing else "too_many_errors" if rate > asked.max_error_rate else "ok",
        "files": len(names),
        "rows": len(rows),
        "errors": errors,
        "error_rate": rate,
        "max_error_rate": asked.max_error_rate,
        "partition": asked.partition,
        "version": asked.version,
        "generation": asked.generation,
        "missing": len(missing),
        "missing_names": missing,
        "doubled": 0,
        "doubled_names": [],
        "repeated": 0,
        "unlisted": 0,
        "torn": 0,
        "worst_errors": [{"error": "broken", "count": errors, "images": []}] if errors else [],
        "labels": {},
    }
    (predictions / "reconciliation.json").write_text(json.dumps(outcome))
    dark = sum(text == "dark" for text in said.values()) / max(1, len(said))
    measured = {
        "measured": True,
        "reference": "training:1",
        "n": len(said),
        "breached": dark >= 0.5,
        "share_drifted": dark,
        "features": {"brightness": {"value": dark, "threshold": 0.5, "drifted": dark >= 0.5}},
        "predictions": {},
    }
    asked.drift.mkdir(parents=True, exist_ok=True)
    (asked.drift / "drift.json").write_text(json.dumps(measured))


if __name__ == "__main__":
    main()
