"""One row a file: what it says. A file that says `broken` is an error; one that says `skip` gets no row."""

import csv
import json
import sys
from pathlib import Path


def main(images: Path, manifest: Path, max_error_rate: float, predictions: Path) -> None:
    names = [json.loads(line)["name"] for line in manifest.read_text().splitlines()]
    said = {name: (images / name).read_text() for name in names if (images / name).exists()}
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
        "verdict": "incomplete" if missing else "too_many_errors" if rate > max_error_rate else "ok",
        "files": len(names),
        "rows": len(rows),
        "errors": errors,
        "error_rate": rate,
        "max_error_rate": max_error_rate,
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
