"""The driver of a parallel step: gives mini-batches to workers, retries them, counts failures, joins rows.

It runs as `python -m tidepool.jobs.parallel SETTINGS.json` in the environment and folder of the job, so it
imports only the standard library, and `mltable` for a table.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tidepool.jobs.minibatches import MiniBatch, Tally, Thresholds, input_files, split
from tidepool.jobs.parallel_process import (
    AttemptError,
    ParallelSettings,
    ParallelStepError,
    WorkerProcess,
)
from tidepool.jobs.tables import TableError, table_batches

log = logging.getLogger("parallel")


class Driver:
    """The run of a parallel step: from the input files to one file with all rows."""

    def __init__(self, settings: ParallelSettings) -> None:
        self._settings = settings
        self._queue: queue.SimpleQueue[tuple[int, MiniBatch]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failure: str | None = None
        self._workers: list[WorkerProcess] = []

    def run(self) -> None:
        """Process all mini-batches. Raise ParallelStepError if more fail than the thresholds allow."""
        with TemporaryDirectory(prefix="rows-") as rows, TemporaryDirectory(prefix="frames-") as frames:
            self._rows = Path(rows)
            batches = self._batches(Path(frames))
            self._tally = Tally(len(batches), self._thresholds())
            for indexed_batch in enumerate(batches):
                self._queue.put(indexed_batch)
            self._process_all(min(self._settings.workers, len(batches)))
            log.info("%d mini-batches done, %d of them failed", self._tally.done, self._tally.failed)
            if self._failure:
                raise ParallelStepError(self._failure)
            self._join()

    def _batches(self, scratch: Path) -> list[MiniBatch]:
        settings, source = self._settings, Path(self._settings.input)
        if settings.is_table:
            batches = table_batches(
                source,
                mini_batch_size=settings.mini_batch_size,
                partition_keys=settings.partition_keys,
                scratch=scratch,
            )
        elif settings.partition_keys:
            keys = ", ".join(settings.partition_keys)
            raise ParallelStepError(f"partition_keys is {keys}, and input_data is not of type mltable")
        else:
            files = input_files(source)
            batches = [MiniBatch.of(batch) for batch in split(files, settings.mini_batch_size or "1")]
        if not batches:
            what = "rows or files" if settings.is_table else "files"
            raise ParallelStepError(f"the input has no {what}: {settings.input}")
        return batches

    def _thresholds(self) -> Thresholds:
        settings = self._settings
        return Thresholds(
            settings.mini_batch_error_threshold, settings.error_threshold, settings.allowed_failed_percent
        )

    def _process_all(self, count: int) -> None:
        self._workers = [WorkerProcess(self._settings) for _ in range(count)]
        threads = [threading.Thread(target=self._process_queue, args=[worker]) for worker in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _process_queue(self, worker: WorkerProcess) -> None:
        """Process mini-batches with one worker until the queue is empty or the step stops."""
        try:
            while not self._stopped.is_set():
                index, batch = self._queue.get_nowait()
                self._process(worker, index, batch)
            worker.kill()
        except queue.Empty:
            worker.close()
        except ParallelStepError as error:
            self._stop(str(error))
            worker.kill()

    def _process(self, worker: WorkerProcess, index: int, batch: MiniBatch) -> None:
        """Process one mini-batch, with retries."""
        failure = AttemptError("")
        for attempt in range(self._settings.max_retries + 1):
            try:
                rows = worker.attempt(index, batch)
            except AttemptError as error:
                if self._stopped.is_set():
                    return
                failure = error
                log.warning("mini-batch %d failed in attempt %d: %s", index, attempt + 1, error)
            else:
                (self._rows / f"{index:08d}").write_text(rows, encoding="utf-8")
                return self._count(lambda tally: tally.count_success())
        items = batch.size - failure.results
        return self._count(lambda tally: tally.count_failure(items))

    def _count(self, change: Callable[[Tally], None]) -> None:
        with self._lock:
            change(self._tally)
            log.info("%d of %d mini-batches done", self._tally.done, self._tally.total)
            excess = self._tally.excess()
        if excess:
            self._stop(excess)

    def _stop(self, reason: str) -> None:
        """Fail the step, and end all workers."""
        with self._lock:
            self._failure = self._failure or reason
        self._stopped.set()
        for worker in self._workers:
            worker.interrupt()

    def _join(self) -> None:
        """Write the rows of all mini-batches to the output file, in their order."""
        if self._settings.append_row_to is None:
            return
        target = Path(self._settings.append_row_to)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as joined:
            for part in sorted(self._rows.iterdir()):
                joined.write(part.read_bytes())


def main() -> int:
    settings = ParallelSettings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    logging.basicConfig(
        stream=sys.stdout, level=settings.logging_level, format="%(levelname)s %(name)s %(message)s"
    )
    try:
        Driver(settings).run()
    except (ParallelStepError, TableError, ValueError) as error:
        print(f"ParallelRunException: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
