"""Writes as evidence what the models' folders say of themselves: figures.json, `n` and a value a metric."""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("candidate", "champion", "holdout", "verdict-evidence"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("candidate-name", "champion-name", "data", "slice-by"):
        parser.add_argument(f"--{name}")
    asked = parser.parse_args()
    if "label" not in (asked.holdout / "columns.txt").read_text().split():
        sys.exit("the holdout has no column label")
    candidate = figures(asked.candidate)
    if candidate.get("endless"):  # the step does not end by itself
        time.sleep(600)
    champion = figures(asked.champion) if asked.champion else None
    slices = candidate.get("slices", {})
    beside = champion.get("slices", {}) if champion else {}
    evidence = {
        "candidate": asked.candidate_name,
        "champion": None if asked.champion_name == "none" else asked.champion_name,
        "data": asked.data,
        "decoder": candidate.get("decoder"),
        **group(candidate, champion),
        "slices": {
            "by": asked.slice_by,
            "values": {name: group(one, beside.get(name)) for name, one in slices.items()},
        },
    }
    asked.verdict_evidence.mkdir(parents=True, exist_ok=True)
    (asked.verdict_evidence / "evidence.json").write_text(json.dumps(evidence))


def figures(model: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((model / "figures.json").read_text())
    return found


def group(candidate: dict[str, Any], champion: dict[str, Any] | None) -> dict[str, Any]:
    of_champion = champion["metrics"] if champion else {}
    return {
        "n": candidate.get("n", 500),
        "metrics": {
            name: {
                "candidate": {"value": value, "low": value, "high": value},
                "champion": {"value": of_champion.get(name)} if champion else None,
                "difference": difference(value, of_champion.get(name)),
            }
            for name, value in candidate["metrics"].items()
        },
    }


def difference(value: Any, beside: Any) -> dict[str, Any] | None:
    if not isinstance(value, float) or not isinstance(beside, float):
        return None
    return {"value": value - beside, "low": value - beside - 0.01, "high": value - beside + 0.01}


if __name__ == "__main__":
    main()
