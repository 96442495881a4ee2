"""The worker processes of a parallel step, as its driver starts, uses and ends them.

They run in the environment of the job, so this imports only the standard library.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from typing import Any

from tidepool.jobs.minibatches import MiniBatch

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
    is_table: bool = False
    mini_batch_size: str | None = None
    partition_keys: list[str] = field(default_factory=list)
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

    def attempt(self, index: int, batch: MiniBatch) -> str:
        """Process one mini-batch and return its rows. Raise AttemptError if the attempt fails."""
        if self._connection is None:
            self._connection = self._start()
        message = {
            "index": index,
            "files": batch.files,
            "frame": batch.frame,
            "partition": batch.partition,
        }
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
        if answer["results"] < batch.expected_results:
            raise AttemptError(
                f"run() returned {answer['results']} results for {batch.size} inputs", answer["results"]
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
