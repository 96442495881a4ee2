"""The parent's side of the process that trains members: it is replaced if a member hangs or ends it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

from member_worker import Begun, Outcome

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
START = "from member_worker import main; main()"


class WorkerError(Exception):
    """A bucket that cannot be trained. Azure ML tries the mini-batch again."""


class MemberWorker:
    """A process that trains one bucket after another."""

    def __init__(self, folder: Path, rows: Path, time_limit_s: float) -> None:
        self._folder, self._rows, self._time_limit_s = folder, rows, time_limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def train(self, bucket: int) -> Iterator[Outcome]:
        """Yield one outcome for each key of the bucket.

        A member that takes too long or ends its process becomes an outcome with this reason, and a new
        process goes on with the next one. Raise WorkerError if the process fails outside any member.
        """
        done: set[int] = set()
        while True:
            connection = self._started()
            connection.send((bucket, frozenset(done)))
            begun: Begun | None = None
            while True:
                if not connection.poll(self._time_limit_s if begun else None):
                    reason = f"the training took longer than {self._time_limit_s:g} s"
                    break
                try:
                    message = connection.recv()
                except (EOFError, OSError):
                    reason = self._end()
                    break
                if message is None:
                    return
                if isinstance(message, str):
                    raise WorkerError(f"bucket {bucket}: {message}")
                if isinstance(message, Begun):
                    begun = message
                else:
                    done.add(message.place)
                    begun = None
                    yield message
            self.close()
            if begun is None:
                raise WorkerError(f"bucket {bucket}: {reason}")
            done.add(begun.place)
            yield Outcome(begun.place, begun.key, "failed", begun.rows, reason=reason)

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def _started(self) -> Connection:
        if self._connection is None or self._process is None or self._process.poll() is not None:
            self.close()
            ours, theirs = Pipe()
            environment = (
                os.environ
                | ONE_THREAD
                | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])}
            )
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, str(theirs.fileno()), str(self._folder), str(self._rows)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=2,  # the log: what a user's training prints
                env=environment,
            )
            theirs.close()
            self._connection = ours
        return self._connection

    def _end(self) -> str:
        """Return how the process ended: with a signal if memory ran out or native code failed."""
        code = self._process.wait() if self._process else 0
        if code == -9:
            return "the training was killed with signal 9, perhaps because memory ran out"
        return f"the training ended its process with {'signal ' if code < 0 else 'status '}{abs(code)}"
