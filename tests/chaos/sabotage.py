"""Faults in the product itself, each of which the invariants of a chaos run must find.

A sabotaged app is the deployment package with a few lines at the end of its function_app.py.
"""

import shutil
from pathlib import Path

SABOTAGES = {
    # A notification counts as sent before it is sent.
    "record_before_send": """
from tidegate.service.handlers.notify import NotifyHandler

_handle = NotifyHandler.handle


def _record_first(self, command):
    activity = self.context.ledger.activity(command.subject, command.activity)
    if activity is None or activity.done:
        return []
    activity.done = True
    self.context.ledger.save(activity)
    self._send(activity)
    return []


NotifyHandler.handle = _record_first
""",
    # What the host gives up after five tries is forgotten.
    "drop_poison": """
from tidegate.service.worker import Worker

Worker.give_up = lambda self, message: None
""",
    # The last writer wins.
    "skip_etag": """
from tidegate.cloud.table_rows import TableRows


def _last_writer_wins(self, entity, etag):
    from azure.data.tables import UpdateMode

    self.create()
    return str(self._client.upsert_entity(entity, mode=UpdateMode.REPLACE)["etag"])


TableRows._write = _last_writer_wins
""",
}


def sabotaged(app: Path, name: str, folder: Path) -> Path:
    """Return a copy of the app, in `folder`, with one of the sabotages."""
    copy = folder / f"app-{name}"
    shutil.copytree(app, copy, copy_function=_link, symlinks=True)
    function_app = copy / "function_app.py"
    text = function_app.read_text()
    function_app.unlink()  # the file is a link to the original
    function_app.write_text(text + SABOTAGES[name])
    for bytecode in (copy / "__pycache__").glob("function_app.*"):  # it is of the original, and not checked
        bytecode.unlink()
    return copy


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)
