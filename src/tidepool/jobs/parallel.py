"""The driver of a parallel step: gives mini-batches to workers, retries them, counts failures, joins rows.

It runs as `python -m tidepool.jobs.parallel SETTINGS.json` in the environment and folder of the job, so it
imports only the standard library.
"""

import json
import logging
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from tidepool.jobs.minibatches import Tally, Thresholds, input_files, split

log = logging.getLogger("parallel")


class ParallelStepError(Exception):
    """The step has failed. The message is the last line of its log."""


class AttemptError(Exception):
    """One attempt at a mini-batch failed. `results` is the number of results that the attempt returned."""

    def __init__(self, reason: str, results: int = 0) -> None:
        super().__init__(reason)
        self.results = results


@dataclass(frozen=True)
class ParallelSettings:
    """The settings of a parallel step from its component and job, with local paths."""

    entry_script: str
    input: str
    workers: int
    arguments: list[str] = field(default_factory=list)
    mini_batch_size: str = "1"
    mini_batch_error_threshold: int = -1
    error_threshold: int = -1
    allowed_failed_percent: float = 100.0
    max_retries: int = 2
    timeout_s: float = 60.0
    append_row_to: str | None = None
    logging_level: str = "INFO"


class WorkerProcess:
    """A worker process. It is killed if it takes too long, and started again for the next attempt."""

    def __init__(self, settings: ParallelSettings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def attempt(self, index: int, files: list[Path]) -> str:
        """Process one mini-batch and return its rows. Raise AttemptError if the attempt fails."""
        if self._connection is None:
            self._connection = self._start()
        message = {"index": index, "files": [str(file) for file in files]}
        try:
            self._connection.send_bytes(json.dumps(message).encode())
            if not self._connection.poll(self._settings.timeout_s):
                self.kill()
                raise AttemptError(f"run() did not return within {self._settings.timeout_s:g} s")
            answer = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            self.kill()
            raise AttemptError("the worker process ended unexpectedly") from error
        if "error" in answer:
            raise AttemptError(answer["error"])
        if answer["results"] < len(files):
            raise AttemptError(
                f"run() returned {answer['results']} results for {len(files)} inputs", answer["results"]
            )
        return str(answer["rows"])

    def close(self) -> None:
        """Call `shutdown` of the script, and wait for the process to end."""
        if self._connection is None or self._process is None:
            return
        try:
            self._connection.send_bytes(b"")
            self._connection.recv_bytes()
        except (EOFError, OSError):
            log.warning("a worker process ended unexpectedly in shutdown()")
        self._process.wait()

    def interrupt(self) -> None:
        """Kill the process. Any thread may call this, even while another thread waits for the process."""
        if self._process is not None:
            self._process.kill()

    def kill(self) -> None:
        self.interrupt()
        if self._process is not None:
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _start(self) -> Connection:
        connection, remote = Pipe()
        command = [sys.executable, "-m", "tidepool.jobs.parallel_worker", str(remote.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[remote.fileno()], stdin=subprocess.DEVNULL)
        remote.close()
        names = ("entry_script", "arguments", "logging_level")
        try:
            settings = {name: getattr(self._settings, name) for name in names}
            connection.send_bytes(json.dumps(settings).encode())
            answer: dict[str, Any] = json.loads(connection.recv_bytes())
        except (EOFError, OSError) as error:
            raise ParallelStepError("a worker process ended unexpectedly in init()") from error
        if "init_error" in answer:
            raise ParallelStepError(f"init() of the entry script failed:\n{answer['init_error']}")
        return connection


class Driver:
    """The run of a parallel step: from the input files to one file with all rows."""

    def __init__(self, settings: ParallelSettings) -> None:
        self._settings = settings
        self._queue: queue.SimpleQueue[tuple[int, list[Path]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failure: str | None = None
        self._workers: list[WorkerProcess] = []

    def run(self) -> None:
        """Process all mini-batches. Raise ParallelStepError if more fail than the thresholds allow."""
        batches = split(input_files(Path(self._settings.input)), self._settings.mini_batch_size)
        if not batches:
            raise ParallelStepError(f"the input has no files: {self._settings.input}")
        self._tally = Tally(len(batches), self._thresholds())
        for indexed_batch in enumerate(batches):
            self._queue.put(indexed_batch)
        with tempfile.TemporaryDirectory(prefix="rows-") as folder:
            self._rows = Path(folder)
            self._process_all(min(self._settings.workers, len(batches)))
            log.info("%d mini-batches done, %d of them failed", self._tally.done, self._tally.failed)
            if self._failure:
                raise ParallelStepError(self._failure)
            self._join()

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
                index, files = self._queue.get_nowait()
                self._process(worker, index, files)
            worker.kill()
        except queue.Empty:
            worker.close()
        except ParallelStepError as error:
            self._stop(str(error))
            worker.kill()

    def _process(self, worker: WorkerProcess, index: int, files: list[Path]) -> None:
        """Process one mini-batch, with retries."""
        failure = AttemptError("")
        for attempt in range(self._settings.max_retries + 1):
            try:
                rows = worker.attempt(index, files)
            except AttemptError as error:
                if self._stopped.is_set():
                    return
                failure = error
                log.warning("mini-batch %d failed in attempt %d: %s", index, attempt + 1, error)
            else:
                (self._rows / f"{index:08d}").write_text(rows, encoding="utf-8")
                return self._count(lambda tally: tally.count_success())
        items = len(files) - failure.results
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
    except (ParallelStepError, ValueError) as error:
        print(f"ParallelRunException: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
