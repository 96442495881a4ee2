"""Seconds from the start of the process until functions are indexed, and memory, compared with other apps."""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.bench.table import Row
from tidegate.installation.package import unpacked
from tidepool.functions.worker_process import worker_command

RUNS = 7
HEAVY = ("azure.ai.ml", "mlflow", "pandas")
EMPTY = """
import azure.functions as func

app = func.FunctionApp()


@app.event_grid_trigger(arg_name="event")
def blob_arrived(event: func.EventGridEvent) -> None:
    pass
"""
NAIVE = f"import azure.ai.ml\nimport mlflow\n{EMPTY}"


def measure(root: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        apps = {
            "ours": unpacked(root),
            "empty": _app(Path(folder, "empty"), EMPTY),
            "naive": _app(Path(folder, "naive"), NAIVE),
        }
        runs = [{name: _index(app) for name, app in apps.items()} for _ in range(RUNS)]
    imported = [name for name in HEAVY if name in runs[0]["ours"]["modules"]]
    return [
        _row(runs, "start to indexed", ("seconds", "s"), "empty", "<= 2.5"),
        _row(runs, "start to indexed", ("seconds", "s"), "naive", ""),
        _row(runs, "memory, indexed", ("rss", "MiB"), "empty", ""),
        _row(runs, "memory, indexed", ("rss", "MiB"), "naive", ""),
        Row.bound(
            f"of {', '.join(HEAVY)}: imported", "modules", (len(imported), len(HEAVY)), "naive", "<= 0"
        ),
    ]


def _app(folder: Path, source: str) -> Path:
    folder.mkdir()
    (folder / "function_app.py").write_text(source)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


def _index(app: Path) -> dict[str, Any]:
    command = [*worker_command(app), "--index-only", str(app)]
    answer: dict[str, Any] = json.loads(
        subprocess.run(command, cwd=app, check=True, capture_output=True, text=True).stdout
    )
    return answer


def _row(
    runs: Iterable[dict[str, dict[str, Any]]], what: str, figure: tuple[str, str], beside: str, target: str
) -> Row:
    name, unit = figure
    scale = 2**20 if unit == "MiB" else 1
    ours, other = (statistics.median(run[app][name] / scale for run in runs) for app in ("ours", beside))
    return Row.ratio(what, unit, (ours, other), f"{beside} app", target)
