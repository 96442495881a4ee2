"""Azure's limits that a set could exceed. They are checked before anything is trained or logged."""

from collections.abc import Collection
from pathlib import Path

from model_sets.errors import SetError

MOST_FILES = 1500  # of one model version
MOST_METRICS = 50  # names in one run
OWN_FILES = 7  # MLmodel, both indexes, prepare.py, conda.yaml, python_env.yaml, requirements.txt


def check_files(shards: int) -> None:
    """Raise SetError if a set with so many shards has more files than Azure takes.

    The fallbacks of groups, and the winners of an evaluation, may have one shard more each.
    """
    files = shards + 2 + OWN_FILES + len(list(Path(__file__).parent.glob("*.py")))
    if files > MOST_FILES:
        raise SetError(
            f"the set would have {files} files ({shards} shards), and Azure takes at most {MOST_FILES} in a "
            "model version: train all keys again, or use fewer buckets"
        )


def check_metrics(names: Collection[str]) -> None:
    """Raise SetError if a run would get more names of metrics than Azure takes."""
    if len(names) > MOST_METRICS:
        raise SetError(
            f"the run would get {len(names)} names of metrics, and Azure takes at most {MOST_METRICS}"
        )
