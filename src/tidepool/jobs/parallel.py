"""The driver of a parallel step: hands mini-batches to workers, retries them, counts failures, joins rows.

`python -m tidepool.jobs.parallel SETTINGS.json`, in the job's environment and folder: standard library only.
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


class StepError(Exception):
    """The step cannot end well; the message is what people read at the end of the log."""


class AttemptError(Exception):
    """One attempt at a mini-batch failed; it may be tried again."""

    def __init__(self, reason: str, results: int = 0) -> None:
        super().__init__(reason)
        self.results = results


@dataclass(frozen=True)
class Settings:
    """The parallel step as its component and job declare it, with all paths local."""

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


class Worker:
    """A worker process; killed and started again when it takes too long or dies."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def attempt(self, index: int, files: list[Path]) -> str:
        """The rows of one mini-batch, or AttemptError."""
        if self._connection is None:
            self._connection = self._start()
        message = {"index": index, "files": [str(file) for file in files]}
        try:
            self._connection.send_bytes(json.dumps(message).encode())
            if not self._connection.poll(self._settings.timeout_s):
                self.kill()
                raise AttemptError(f"no answer within {self._settings.timeout_s:g} s")
            answer = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError) as error:
            self.kill()
            raise AttemptError("the worker process died") from error
        if "error" in answer:
            raise AttemptError(answer["error"])
        if answer["results"] < len(files):
            raise AttemptError(f"{len(files)} inputs, {answer['results']} results", answer["results"])
        return str(answer["rows"])

    def close(self) -> None:
        """Let the script shut down."""
        if self._connection is None or self._process is None:
            return
        try:
            self._connection.send_bytes(b"")
            self._connection.recv_bytes()
        except (EOFError, OSError):
            log.warning("a worker died in shutdown()")
        self._process.wait()

    def interrupt(self) -> None:
        """End the process under whoever waits for it, from any thread."""
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
        ours, theirs = Pipe()
        command = [sys.executable, "-m", "tidepool.jobs.parallel_worker", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        wanted = ("entry_script", "arguments", "logging_level")
        try:
            ours.send_bytes(json.dumps({name: getattr(self._settings, name) for name in wanted}).encode())
            answer: dict[str, Any] = json.loads(ours.recv_bytes())
        except (EOFError, OSError) as error:
            raise StepError("a worker process died in init()") from error
        if "init_error" in answer:
            raise StepError(f"init() of the entry script failed:\n{answer['init_error']}")
        return ours


class Driver:
    """One parallel step, from its files to its joined rows."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue: queue.SimpleQueue[tuple[int, list[Path]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._failure: str | None = None
        self._workers: list[Worker] = []

    def run(self) -> None:
        """Raises StepError when the failures exceed what is tolerated."""
        batches = split(input_files(Path(self._settings.input)), self._settings.mini_batch_size)
        if not batches:
            raise StepError(f"the input has no files: {self._settings.input}")
        self._tally = Tally(len(batches), self._thresholds())
        for item in enumerate(batches):
            self._queue.put(item)
        with tempfile.TemporaryDirectory(prefix="rows-") as folder:
            self._rows = Path(folder)
            self._serve_all(min(self._settings.workers, len(batches)))
            log.info("%d mini-batches, %d failed", self._tally.done, self._tally.failed)
            if self._failure:
                raise StepError(self._failure)
            self._join()

    def _thresholds(self) -> Thresholds:
        settings = self._settings
        return Thresholds(
            settings.mini_batch_error_threshold, settings.error_threshold, settings.allowed_failed_percent
        )

    def _serve_all(self, count: int) -> None:
        self._workers = [Worker(self._settings) for _ in range(count)]
        threads = [threading.Thread(target=self._serve, args=[worker]) for worker in self._workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _serve(self, worker: Worker) -> None:
        try:
            while not self._stopped.is_set():
                index, files = self._queue.get_nowait()
                self._process(worker, index, files)
            worker.kill()
        except queue.Empty:
            worker.close()
        except StepError as error:
            self._stop(str(error))
            worker.kill()

    def _process(self, worker: Worker, index: int, files: list[Path]) -> None:
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
                return self._count(lambda tally: tally.succeeded())
        items = len(files) - failure.results
        return self._count(lambda tally: tally.gave_up(items))

    def _count(self, change: Callable[[Tally], None]) -> None:
        with self._lock:
            change(self._tally)
            log.info("%d of %d mini-batches done", self._tally.done, self._tally.total)
            excess = self._tally.excess()
        if excess:
            self._stop(excess)

    def _stop(self, reason: str) -> None:
        with self._lock:
            self._failure = self._failure or reason
        self._stopped.set()
        for worker in self._workers:
            worker.interrupt()

    def _join(self) -> None:
        """Rows become visible at once and at the end, in the order of the mini-batches."""
        if self._settings.append_row_to is None:
            return
        target = Path(self._settings.append_row_to)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as joined:
            for part in sorted(self._rows.iterdir()):
                joined.write(part.read_bytes())


def main() -> int:
    settings = Settings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    logging.basicConfig(
        stream=sys.stdout, level=settings.logging_level, format="%(levelname)s %(name)s %(message)s"
    )
    try:
        Driver(settings).run()
    except (StepError, ValueError) as error:
        print(f"ParallelRunException: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
