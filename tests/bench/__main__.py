"""`make bench`: measure and print a table for each benchmark."""

import argparse
import importlib
import logging
import os
import warnings
from pathlib import Path

from rich.console import Console

from tests.bench.table import show
from tidegate.log import quiet_uploads

BENCHES = (
    "indexing",
    "deployed",
    "storm",
    "listing",
    "latency",
    "operations",
    "scoring",
    "verdicts",
    "promotion",
    "pipeline",
    "set_judging",
)


def _hush() -> None:
    """Keep the SDKs' warnings out of the tables."""
    logging.getLogger("azure.ai.ml._utils._experimental").setLevel(logging.ERROR)
    os.environ["MLFLOW_LOGGING_LEVEL"] = "ERROR"
    warnings.filterwarnings("ignore", module="mlflow")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHES, []], help="the benchmarks to run; all of them if none is named"
    )
    _hush()
    console = Console(width=140)
    for name in parser.parse_args().names or BENCHES:
        bench = importlib.import_module(f"tests.bench.{name}")
        with console.status(f"measuring {name} ..."), quiet_uploads():
            rows = bench.measure(Path(__file__).parents[2])
        show((bench.__doc__ or name).splitlines()[0], rows, console)


if __name__ == "__main__":
    main()
