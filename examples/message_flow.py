"""The message flow of the service, read from its log: messages, their handlers and the next commands."""

import json
import re
from pathlib import Path

_LINE = re.compile(
    r"function_log function=\S+ invocation=\S+ logger=tidegate\.\S+ (?P<name>\w+)(?P<fields>.*)"
)
_FIELD = re.compile(r"""(\w+)=("(?:[^"\\]|\\.)*"|\S+)""")
# A command that is followed by the same command only checks again later. Such lines are left out.
_LOOKS_AGAIN = {"CheckJob", "FinishPartition", "JudgeModel", "PromoteModel", "AdvanceRollout", "Notify"}


class MessageFlow:
    """The message flow in a log file. Only lines that are written from now on are read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = file.stat().st_size if file.exists() else 0
        self._shown: set[str] = set()

    def new_lines(self) -> list[str]:
        """Return the lines of the flow since the last call. Equal lines are returned only once."""
        flow = dict.fromkeys(filter(None, map(arrow, self._new_log_lines())))
        lines = [line for line in flow if line not in self._shown]
        self._shown.update(lines)
        return lines

    def _new_log_lines(self) -> list[str]:
        if not self._file.exists():
            return []
        if self._file.stat().st_size < self._read:  # a new Tidepool has started a new log file
            self._read = 0
        with self._file.open("rb") as log:
            log.seek(self._read)
            new, newline, _ = log.read().rpartition(b"\n")
        self._read += len(new) + len(newline)
        return new.decode(errors="replace").splitlines()


def arrow(line: str) -> str | None:
    """Return `BlobCreated → inbox → CheckPartition digits 202611`, or None for a line without a message."""
    match_ = _LINE.search(line)
    if not match_:
        return None
    fields = {key: _value(text) for key, text in _FIELD.findall(match_["fields"])}
    command = fields.get("command", "")
    message = f"{command} {_subject(fields)}".strip()
    match match_["name"]:
        case "command_sent":
            event = fields.get("event_type", "").rpartition(".")[2]
            return f"{event} → inbox → {message}"
        case "command_carried_out" if fields.get("follows", "") not in ("", *_LOOKS_AGAIN & {command}):
            return f"{message} → {handler_name(command)} → {fields['follows'].replace(',', ', ')}"
        case "command_retried_later" if "UpdateConditionNotSatisfied" not in line:
            return f"{message} → tried again later: {fields.get('error', '')}"
        case "command_failed":
            return f"{message} → failed: {fields.get('error', '')}"
    return None


def handler_name(command: str) -> str:
    """Return the name of the handler of a command: `check_partition` for `CheckPartition`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", command).lower()


def _value(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def _subject(fields: dict[str, str]) -> str:
    """Return what a command is about, such as `digits 202611-1-g1`."""
    if "partition" not in fields:
        names = ("model", "version", "signal", "job", "activity")
        return " ".join(fields[name] for name in names if name in fields)
    numbers = [f"-{fields['version']}"] if "version" in fields else []
    numbers += [f"-g{fields['generation']}"] if "generation" in fields else []
    return f"{fields['feed']} {fields['partition']}{''.join(numbers)}"
