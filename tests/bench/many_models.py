"""`make bench-many`: a model set on synthetic sales, beside a file and a model for each key.

ROWS and KEYS choose the size. The targets are those of 40 million rows and 10,000 keys, scaled to it.
"""

import argparse
import json
import multiprocessing
import pickle
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).parents[2] / "src/assets"
FOLDERS = [
    ASSETS,
    *(ASSETS / name for name in ("set_training", "set_scoring", "set_evaluation", "evaluation", "step_runs")),
]
sys.path[:0] = [str(folder) for folder in FOLDERS if str(folder) not in sys.path]

import psutil  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import training_settings  # noqa: E402
from model_sets.format import write_set  # noqa: E402
from model_sets.index import rows_to_table  # noqa: E402
from model_sets.info import SetInfo  # noqa: E402
from model_sets.sources import read_manifest  # noqa: E402
from model_sets.split import plan_split, split  # noqa: E402
from rich.console import Console  # noqa: E402
from training_settings import Settings  # noqa: E402

from tests.bench.set_judging import score_partition  # noqa: E402
from tests.bench.table import Row, show  # noqa: E402
from tests.support.synthetic_sales import Sales  # noqa: E402

INFO = SetInfo(("store", "product"), "sold", "day", 28, "day", ("price", "promotion"))
PROCESSES = 2
PUBLIC_KEYS = 200
FULL_ROWS, FULL_KEYS = 40_000_000, 10_000
TRAIN_S = {"lightgbm": 720, "lightgbm-fast": 360, "ridge": 30}  # with FULL_KEYS


@dataclass
class Figures:
    """Seconds, processor time and peak memory of one size, of all processes that a step started.

    On a machine that other programs use, the processor time says more than the seconds.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    processor_seconds: dict[str, float] = field(default_factory=dict)
    gigabytes: dict[str, float] = field(default_factory=dict)
    error_to_baseline: dict[str, float] = field(default_factory=dict)
    set_gigabytes: float = 0.0

    @contextmanager
    def measured(self, step: str) -> Iterator[None]:
        """Measure the time of a step, and the memory of the processes that it starts."""
        peak, ended = [0], threading.Event()

        def watch() -> None:
            while not ended.wait(0.1):
                peak[0] = max(peak[0], _memory_of_children())

        watcher = threading.Thread(target=watch)
        watcher.start()
        started, before = time.perf_counter(), _processor_seconds()
        try:
            yield
        finally:
            self.seconds[step] = time.perf_counter() - started
            self.processor_seconds[step] = _processor_seconds() - before
            ended.set()
            watcher.join()
            self.gigabytes[step] = peak[0] / 1e9
            used = f"{self.seconds[step]:.1f} s, {self.processor_seconds[step]:.1f} s of processor time"
            print(f"{step}: {used}", file=sys.stderr, flush=True)


def _processor_seconds() -> float:
    """Return the processor time of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _memory_of_children() -> int:
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def in_process(work: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function returns in a process of its own, as each step has one."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def split_all(plan: Path, data: Path, rows: Path) -> int:
    planned = training_settings.load_plan(plan, data)
    return sum(split(planned, range(len(planned.sources)), rows).values())


def start_training(plan: str, rows: str, members: str) -> None:
    """Begin a process of the parallel step, as Azure ML does."""
    from multiprocessing.util import Finalize

    import train_members

    Finalize(None, train_members.shutdown, exitpriority=10)  # so that its worker's time is counted
    sys.argv = ["train_members.py", "--plan", plan, "--rows", rows, "--members", members]
    train_members.init()


def train_buckets(bucket: str) -> None:
    import train_members

    train_members.run([bucket])


def train(figures: Figures, folder: Path, trainer: str, buckets: int, processes: int = PROCESSES) -> Path:
    """Train and assemble a set with one of the trainers, and return its folder."""
    from assemble_set import complete, read_rows, totals
    from plan_training import write_lists

    plan, members, model = folder / f"plan-{trainer}", folder / f"members-{trainer}", folder / trainer
    history = training_settings.load_plan(folder / "plan", folder / "data")
    settings = Settings(INFO, "sales", trainer, trainer, 100, 60, buckets)
    training_settings.save(plan, settings, history, {"only": None, "expected": [], "unreadable": []})
    write_lists(folder / "buckets", [[bucket] for bucket in range(buckets)])
    names = [str(path) for path in sorted((folder / "buckets").iterdir())]
    step = f"train {trainer}" if processes == PROCESSES else f"train {trainer}, {processes} worker"
    with figures.measured(step):
        with ProcessPoolExecutor(
            processes,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=start_training,
            initargs=(str(plan), str(folder / "rows"), str(members)),
        ) as pool:
            list(pool.map(train_buckets, names))
        trained = read_rows(members, buckets)
        rows = complete(trained, settings, {"only": None, "expected": []}, None)
        shards = {path.name: path for path in members.glob("*.zip")}
        write_set(model, INFO, rows_to_table(rows, INFO.keys), shards)
    assert {row.state for row in rows} == {"candidate"}
    figures.error_to_baseline[trainer] = totals(trained)["error_to_baseline"] or 0.0
    figures.set_gigabytes = sum(file.stat().st_size for file in model.rglob("*") if file.is_file()) / 1e9
    shutil.rmtree(members)
    return model


def measure_size(folder: Path, keys: int, days: int, trainers: list[str], *, alone: bool = False) -> Figures:
    """Split, train and score one size. With `alone`, train the last set with one worker, too."""
    figures, sales = Figures(), Sales(keys, days)
    names = [path.name for path in sales.write(folder / "data")]
    manifest = folder / "history.jsonl"
    manifest.write_text("".join(json.dumps({"name": name}) + "\n" for name in names))
    planned = plan_split(read_manifest(folder / "data", manifest), INFO, target=True)
    settings = Settings(INFO, "sales", "bench", "ridge", 100, 60, planned.buckets)
    training_settings.save(folder / "plan", settings, planned, {"only": None})
    with figures.measured("split"):
        rows = in_process(split_all, folder / "plan", folder / "data", folder / "rows")
    assert rows == keys * days
    for trainer in trainers:
        model = train(figures, folder, trainer, planned.buckets)
    if alone:
        train(figures, folder, trainers[-1], planned.buckets, processes=1)
    month = folder / "month"
    month.mkdir()
    pq.write_table(sales.table(days, INFO.horizon, target=False), month / "plan.parquet")
    (folder / "month.jsonl").write_text('{"name": "plan.parquet"}\n')
    (folder / "scoring").mkdir()
    with figures.measured("score"):
        score_partition(month, folder / "month.jsonl", model, folder / "scoring", PROCESSES)
    return figures


def public_way(folder: Path, days: int) -> tuple[float, float, int]:
    """Return the seconds of a CSV and a model for each key, of a look-up by tags, and the number of files.

    This is how public examples do it, on the same features. What Azure's limit of about one registration a
    second adds is not included.
    """
    import lightgbm
    import pandas as pd

    names = ["store", "product"]
    table = Sales(PUBLIC_KEYS, days).table(0, days).to_pandas()
    started = time.perf_counter()
    for (store, product), rows in table.groupby(names):
        path = folder / "csv" / store / product
        path.mkdir(parents=True)
        rows.to_csv(path / "data.csv", index=False)
    registry = []
    for path in sorted((folder / "csv").rglob("data.csv")):
        rows = pd.read_csv(path, parse_dates=["day"]).sort_values("day")
        features = pd.DataFrame({f"lag_{lag}": rows["sold"].shift(lag) for lag in (28, 35, 42, 49, 56, 364)})
        for window in (7, 28, 91):
            features[f"mean_{window}"] = rows["sold"].shift(28).rolling(window).mean()
        for part in ("weekday", "day", "month", "dayofyear"):
            features[part] = getattr(rows["day"].dt, part)
        features[["price", "promotion"]] = rows[["price", "promotion"]]
        model = lightgbm.LGBMRegressor(n_estimators=100, num_leaves=31, verbose=-1, n_jobs=1)
        model.fit(features[:-28], rows["sold"][:-28])
        model.predict(features[-28:])
        (path.parent / "model.pkl").write_bytes(pickle.dumps(model))
        tags = {"store": path.parts[-3], "product": path.parts[-2]}
        registry.append((tags, path.parent / "model.pkl"))
    trained = time.perf_counter() - started
    started = time.perf_counter()
    wanted = {"store": "S007", "product": "P0002"}
    pickle.loads(next(model for tags, model in registry if tags == wanted).read_bytes())
    return trained, time.perf_counter() - started, len(list((folder / "csv").rglob("*.*")))


def table(keys: int, rows: int, whole: Figures, tenth: Figures) -> Iterator[Row]:
    """Yield the lines of the table."""
    by_rows, by_keys = rows / FULL_ROWS, keys / FULL_KEYS
    size = f"{rows:,} rows, {keys:,} keys"
    limit = f"{30 * by_rows:.1f}"
    yield Row.bound(f"split {size}", "s", (whole.seconds["split"], float(limit)), "the limit", f"<= {limit}")
    yield Row.bound("split, peak memory", "GB", (whole.gigabytes["split"], 3), "the limit", "<= 3")
    for trainer, ratio in whole.error_to_baseline.items():
        step, limit = f"train {trainer}", f"{TRAIN_S[trainer] * by_keys:.1f}"
        times = (whole.seconds[step], float(limit))
        yield Row.bound(f"{step} {keys:,} members", "s", times, "the limit", f"<= {limit}")
        yield Row.bound(f"{step}, peak memory", "GB", (whole.gigabytes[step], 3), "the limit", "")
        yield Row.bound(f"{step}, total error", "of naive", (ratio, 1.0), "seasonal naive", "<= 0.85")
    limit = f"{max(120 * by_keys, 12):.1f}"
    forecasts = keys * INFO.horizon
    scored = (whole.seconds["score"], float(limit))
    yield Row.bound(f"score {forecasts:,} rows and publish", "s", scored, "the limit", f"<= {limit}")
    yield Row.bound("the set", "GB", (whole.set_gigabytes, 0), "", "")
    for step in ("split", *(f"train {trainer}" for trainer in tenth.error_to_baseline)):
        times, memory = (
            (whole.seconds[step], tenth.seconds[step]),
            (whole.gigabytes[step], tenth.gigabytes[step]),
        )
        yield Row.ratio(f"{step}, time", "s", times, "a tenth of the keys", "<= 11")
        yield Row.ratio(f"{step}, memory", "GB", memory, "a tenth of the keys", "")
    for step, used in whole.processor_seconds.items():
        figures = (used, tenth.processor_seconds[step])
        yield Row.ratio(f"{step}, processor time", "s", figures, "a tenth of the keys", "<= 11")
    step = f"train {list(tenth.error_to_baseline)[-1]}"
    workers = (tenth.seconds[step], tenth.seconds[f"{step}, 1 worker"])
    yield Row.ratio(f"{step} {keys // 10:,} members, 2 workers", "s", workers, "1 worker", "<= 0.8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--keys", type=int, default=1_000)
    parser.add_argument("--trainers", default="ridge,lightgbm-fast,lightgbm")
    args = parser.parse_args()
    days, trainers = args.rows // args.keys, args.trainers.split(",")
    console = Console(width=150)
    with tempfile.TemporaryDirectory(prefix="bench-many-") as folder:
        tenth = measure_size(Path(folder, "tenth"), max(args.keys // 10, 1), days, trainers, alone=True)
        whole = measure_size(Path(folder, "whole"), args.keys, days, trainers)
        lines = list(table(args.keys, args.rows, whole, tenth))
        if args.keys >= PUBLIC_KEYS and "lightgbm" in trainers:
            seconds, look_up, files = in_process(public_way, Path(folder, "public"), days)
            ours = args.keys / (whole.seconds["split"] + whole.seconds["train lightgbm"]) * 60
            theirs = PUBLIC_KEYS / seconds * 60
            beside = f"a CSV and a model a key, {PUBLIC_KEYS} keys"
            lines += [
                Row.ratio("models a minute", "1/min", (ours, theirs), beside, ""),
                Row.ratio("files for a key", "", (68 / args.keys, files / PUBLIC_KEYS), beside, ""),
                Row.ratio("registrations for a key", "", (1 / args.keys, 1), beside, ""),
                Row.bound("look-up and load there", "ms", (look_up * 1000, 0), beside, ""),
            ]
    show("Many models", lines, console)


if __name__ == "__main__":
    main()
