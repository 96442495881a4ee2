"""What runs where, while it runs: the service's own log lines, as arrows."""

import re
from pathlib import Path

from rich.console import Console

_LINE = re.compile(
    r"function_log function=\S+ invocation=\S+ logger=tidegate\.\S+ (?P<name>\w+)(?P<fields>.*)"
)
_FIELD = re.compile(r"(\w+)=('[^']*'|\S+)")
_SUBJECT = ("feed", "month", "version", "generation", "job", "subject", "activity")
_WHERE = {
    "CheckMonth": "arrival.check_month",
    "ScoreMonth": "scoring.score_month",
    "FinishMonth": "scoring.finish_month",
    "CheckJob": "upkeep.check_job",
    "Notify": "upkeep.notify",
    "Reconcile": "upkeep.reconcile",
}


class Progress:
    """Follows the log from where it is now; `show` prints what came since, each line once."""

    def __init__(self, file: Path, console: Console) -> None:
        self._file = file
        self._console = console
        self._read = file.stat().st_size if file.exists() else 0
        self._said: set[str] = set()

    def show(self) -> None:
        if not self._file.exists():
            return
        with self._file.open("rb") as log:
            log.seek(self._read)
            new, newline, _ = log.read().rpartition(b"\n")
        self._read += len(new) + len(newline)
        for line in new.decode(errors="replace").splitlines():
            text = arrow(line)
            if text and text not in self._said:
                self._said.add(text)
                self._console.print(f"  [dim]{text}[/]")


def arrow(line: str) -> str | None:
    """`BlobCreated → inbox.accept → CheckMonth digits 202611`; None for a line that moves nothing on."""
    found = _LINE.search(line)
    if not found:
        return None
    fields = {key: value.strip("'") for key, value in _FIELD.findall(found["fields"])}
    subject = " ".join(fields[key] for key in _SUBJECT if key in fields)
    match found["name"]:
        case "command_sent":
            event = fields.get("event_type", "").rpartition(".")[2]
            return f"{event} → inbox.accept → {fields['command']} {subject}".rstrip()
        case "command_carried_out" if fields.get("follows"):
            command, follows = fields["command"], fields["follows"].replace(",", ", ")
            return f"{command} {subject} → {_WHERE.get(command, command)} → {follows}"
        case "command_put_off" | "command_failed":
            return f"{fields['command']} {subject} → {fields.get('error', '')}"
    return None
