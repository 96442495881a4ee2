"""A process that imports modules and then forks: `python -m tidepool.forking.server FD MODULE...`.

Importing MLflow takes some four seconds of processor time and 130 MB. A fork has the modules at once, and
shares their memory with the other forks. It runs one of Tidepool's own programs, never a script of a user.

For each fork, the supervisor sends three file descriptors: a socket for this fork, a listener, and the log.
The socket carries a line of JSON with the fields of `Order`, then the line with the process id in return, and
at the end the line with the exit status. If the supervisor closes it before that, the fork is killed.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from dataclasses import dataclass

_DESCRIPTORS = 3


@dataclass(frozen=True)
class Order:
    """A program to run: a module whose `main` reads `sys.argv`. It finds the listener as `--fd=N`.

    `environ` is its whole environment, and `folder` its working directory.
    """

    module: str
    arguments: list[str]
    environ: dict[str, str]
    folder: str


@dataclass(frozen=True)
class _Given:
    """What came with an order."""

    order: Order
    listener: int
    log: int


class ForkServer:
    """The loop of the process: it forks for each order, and reports the ends of the forks."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._forks: dict[int, socket.socket] = {}
        self._woken, self._wake = socket.socketpair()

    def run(self) -> _Given | None:
        """Return in each fork what it is to do, and None when the supervisor has closed the socket."""
        for end in (self._woken, self._wake):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the signal only ends `select`
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        while True:
            readable = select.select([self._control, self._woken, *self._forks.values()], [], [])[0]
            for process, link in self._forks.items():
                if link in readable:  # the supervisor sends nothing after the order: it has given up
                    os.kill(process, signal.SIGKILL)
            if self._woken in readable:
                self._woken.recv(4096)
                self._report_ends()
            if self._control in readable:
                data, descriptors, *_ = socket.recv_fds(self._control, 1, _DESCRIPTORS)
                if not data:
                    return None
                if given := self._fork(*descriptors):
                    return given

    def _fork(self, link_fd: int, listener: int, log: int) -> _Given | None:
        """Fork, and return in the fork what it is to do."""
        link = socket.socket(fileno=link_fd)
        line = link.makefile("rb").readline()
        process = os.fork() if line else None  # without an order, the supervisor has given up
        if process == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for inherited in (self._control, self._woken, self._wake, link, *self._forks.values()):
                inherited.close()
            return _Given(Order(**json.loads(line)), listener, log)
        os.close(listener)
        os.close(log)
        if process:
            self._forks[process] = link
            with contextlib.suppress(OSError):  # if the supervisor has given up, the fork is killed next
                link.sendall(b"%d\n" % process)
        return None

    def _report_ends(self) -> None:
        for process in list(self._forks):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                with contextlib.suppress(OSError), self._forks.pop(process) as link:
                    link.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(given: _Given) -> None:
    """Make this fork what a process of its own would be, and run the program."""
    for stream in (1, 2):
        os.dup2(given.log, stream)
    os.close(given.log)
    os.chdir(given.order.folder)
    os.environ.clear()
    os.environ.update(given.order.environ)
    sys.path[0] = given.order.folder  # as after `python -m`
    sys.argv = [given.order.module, *given.order.arguments, f"--fd={given.listener}"]
    if "numpy.random" in sys.modules:
        importlib.import_module("numpy.random").seed()  # a fork has the random numbers of its parent
    importlib.import_module(given.order.module).main()


def main() -> None:
    """Import what the forks share, and serve the supervisor until it closes the socket."""
    gc.disable()  # what is imported lives on
    for module in sys.argv[2:]:
        try:
            importlib.import_module(module)
        except ImportError:
            traceback.print_exc()  # the program that needs the module fails, and its log says why
    gc.freeze()
    gc.enable()
    given = ForkServer(socket.socket(fileno=int(sys.argv[1]))).run()
    if given is not None:
        _become(given)


if __name__ == "__main__":
    main()
