"""Model sets: judging 10,000 members, looking one up, and answering online.

The bench of many models calls these functions with its own sizes. `score_partition` runs the steps of a
scoring.
"""

import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ASSETS = Path(__file__).parents[2] / "src/assets"
FOLDERS = [ASSETS, *(ASSETS / name for name in ("set_scoring", "set_evaluation", "evaluation", "step_runs"))]
sys.path[:0] = [str(folder) for folder in FOLDERS if str(folder) not in sys.path]

import numpy as np  # noqa: E402
import psutil  # noqa: E402
import pyarrow as pa  # noqa: E402

from tests.bench.table import Row  # noqa: E402

KEYS = 10_000
HORIZON = 28
LOOK_UPS = 2_000
REQUESTS = 2_000


@dataclass(frozen=True)
class ScoringFigures:
    """What the scoring of a partition took, in seconds, and the number of its rows."""

    rows: int
    split_s: float
    score_s: float
    publish_s: float

    @property
    def total_s(self) -> float:
        return self.split_s + self.score_s + self.publish_s


def measure(_: Path) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        rows, candidate, champion = holdout_tables(KEYS)
        model = write_set(Path(folder) / "set", KEYS)
        look_up, load = look_up_ms(model)
        small, whole = (online_in_process(model, share) for share in (0.1, 1.1))
        return [
            Row.bound(
                f"judge {KEYS:,} members, {rows.num_rows:,} rows",
                "s",
                (judge_seconds(rows, candidate, champion), 5),
                "the limit",
                "<= 5",
            ),
            Row.bound(f"look up one of {KEYS:,}, warm", "ms", (look_up, load), "and load it", "<= 1"),
            Row.ratio("online p95, cache of 10 %", "ms", (small[0], whole[0]), "all members in memory", ""),
            Row.ratio("its resident memory", "MB", (small[1], whole[1]), "all members in memory", ""),
        ]


def names(keys: int) -> list[tuple[str, str]]:
    return [(f"S{number % 50:03}", f"P{number // 50:04}") for number in range(keys)]


def holdout_tables(
    keys: int,
) -> tuple[pa.Table, dict[tuple[str, ...], object], dict[tuple[str, ...], object]]:
    """Return the forecasts of a candidate and a champion for the holdout of all keys, and their indexes."""
    from model_sets.index import IndexRow

    rng = np.random.default_rng(7)
    size = keys * HORIZON
    actual = rng.poisson(20, size).astype(np.float64)
    stores, products = (np.repeat([key[part] for key in names(keys)], HORIZON) for part in (0, 1))
    columns = {"store": pa.array(stores), "product": pa.array(products), "actual": pa.array(actual)}
    for side in ("candidate", "champion"):
        columns |= {
            side: pa.array(actual + rng.normal(0, 4, size)),
            f"{side}_error": pa.nulls(size, pa.string()),
        }
    place = {"shard": "00.zip", "entry": "a", "loader": "npz", "sha256": "0" * 64}
    indexes = [
        {key: IndexRow(key, "candidate", **place, trained_in=side, rows=4_000) for key in names(keys)}
        for side in ("candidate", "champion")
    ]
    return pa.table(columns), indexes[0], indexes[1]  # type: ignore[return-value]


def judge_seconds(rows: pa.Table, candidate: object, champion: object) -> float:
    """Return how long it takes to measure and decide all keys, and to make evidence and index of them."""
    from error_evidence import ErrorSums, measured
    from measure import decide_all, measure_keys
    from member_rule import MemberRule
    from model_sets.index import rows_to_table
    from set_counts import counts_of
    from winners import winning_rows, winning_sums

    started = time.perf_counter()
    errors = measure_keys(rows, ("store", "product"), list(candidate))  # type: ignore[call-overload]
    decisions = decide_all(MemberRule(tolerance=0.05), errors, candidate, champion)  # type: ignore[arg-type]
    index = winning_rows(errors, decisions, candidate, champion)  # type: ignore[arg-type]
    rows_to_table(index, ("store", "product"))
    sums, other = winning_sums(errors, decisions)
    assert other is not None
    measured(ErrorSums(sums, (sums, other)), 0.95)
    counts_of(decisions, [row.state for row in index], [True] * len(index))
    return time.perf_counter() - started


def write_set(folder: Path, keys: int, shards: int = 64) -> Path:
    """Write a set of seasonal naive members."""
    from model_sets.contents import npz_content
    from model_sets.features import FeaturePlan
    from model_sets.format import write_set as write
    from model_sets.index import IndexRow, rows_to_table
    from model_sets.info import SetInfo
    from model_sets.members import Tail
    from model_sets.shards import ShardWriter, entry_name

    info = SetInfo(("store", "product"), "sold", "day", HORIZON)
    values = np.random.default_rng(7).poisson(20, 500).astype(np.float32)
    content = npz_content("seasonal_naive", Tail.of(FeaturePlan.of(info), values, 20_000))
    writers = {
        f"{number:02}.zip": ShardWriter(folder.parent / "shards" / f"{number:02}.zip")
        for number in range(shards)
    }
    rows = []
    for number, key in enumerate(names(keys)):
        shard, entry = f"{number % shards:02}.zip", entry_name(key, "npz")
        sha256 = writers[shard].add(entry, content)
        rows.append(IndexRow(key, "candidate", shard, entry, "npz", sha256, trained_in="train-1", rows=4_000))
    closed = {name: writer.close() for name, writer in writers.items()}
    write(folder, info, rows_to_table(rows, info.keys), closed)
    return folder


def look_up_ms(model: Path) -> tuple[float, float]:
    """Return the median time to find a key in an open set, and to load its member, in milliseconds."""
    from model_sets.format import open_set

    members = open_set(model)
    rng = np.random.default_rng(1)
    keys = list(zip(*(members.index[name].to_pylist() for name in members.info.keys), strict=True))
    chosen = [keys[number] for number in rng.integers(0, len(keys), LOOK_UPS)]
    members.member(chosen[0])
    return (
        1000 * statistics.median(_timed(members.find, key) for key in chosen),
        1000 * statistics.median(_timed(members.member, key) for key in chosen),
    )


def online_in_process(model: Path, share: float) -> tuple[float, float]:
    """Return p95 in milliseconds and resident memory in MB of a server in a process of its own.

    The cache holds a share of all members. With a share above 1 they are loaded before the first request.
    """
    command = [sys.executable, "-m", "tests.bench.set_judging", str(model), str(share)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    p95, resident = done.stdout.split()[-2:]
    return float(p95), float(resident)


def online(model: Path, share: float) -> tuple[float, float]:
    """Answer requests for random keys, and return p95 in milliseconds and the resident memory in MB."""
    import json

    from score_set_online import SetServer

    server = SetServer(model)
    keys = list(
        zip(*(server.members.index[name].to_pylist() for name in server.members.info.keys), strict=True)
    )
    size = server.members.member(keys[0]).memory_bytes
    server = SetServer(model, int(share * len(keys) * size))
    if share > 1:
        for key in keys:
            server.cache.get(key)
    rng = np.random.default_rng(2)
    seconds = []
    for number in rng.zipf(1.3, REQUESTS) % len(keys):
        store, product = keys[int(number)]
        body = json.dumps({"rows": [{"store": store, "product": product, "day": "2024-10-05"}]})
        seconds.append(_timed(server.answer, body))
    print(server.cache.figures())
    return 1000 * float(np.quantile(seconds, 0.95)), psutil.Process().memory_info().rss / 1e6


def score_partition(
    data: Path, manifest: Path, model: Path, folder: Path, processes: int = 2
) -> ScoringFigures:
    """Run the steps of scoring, as the pipeline does on one node, and return what they took."""
    from model_sets.format import open_set
    from publish_set import read_files
    from scored_rows import ScoredRows
    from split_partition import split_partition, write_batches

    times = [time.perf_counter()]
    rows = split_partition(data, manifest, model, folder / "buckets")
    write_batches(folder / "buckets", folder / "batches")
    times.append(time.perf_counter())
    buckets = sorted(file.stem.partition("-")[2] for file in (folder / "batches").iterdir())
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        arguments = [(model, folder, part) for part in _parts(buckets, processes)]
        list(pool.map(_score, arguments))
    times.append(time.perf_counter())
    members = open_set(model)
    scored = ScoredRows(folder / "scored", members.info, folder / "scratch")
    outcome = scored.reconcile(members.index, read_files(folder / "buckets"), 1.0)
    scored.write(folder / "predictions", "exact")
    times.append(time.perf_counter())
    assert outcome.rows == rows
    assert outcome.verdict == "ok", outcome.metrics()
    split_s, score_s, publish_s = np.diff(times).tolist()
    return ScoringFigures(rows, split_s, score_s, publish_s)


def _score(work: tuple[Path, Path, list[str]]) -> None:
    from model_sets.format import open_set
    from score_set import SetScorer

    model, folder, buckets = work
    scorer = SetScorer(open_set(model), folder / "buckets", folder / "scored")
    for bucket in buckets:
        scorer.score(bucket)


def _parts(buckets: list[str], count: int) -> Iterator[list[str]]:
    for start in range(count):
        yield buckets[start::count]


def _timed(work, argument) -> float:  # type: ignore[no-untyped-def]
    started = time.perf_counter()
    work(argument)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(*online(Path(sys.argv[1]), float(sys.argv[2])))
