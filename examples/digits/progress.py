"""What runs where, while it runs: the service's own log lines, as arrows."""

import re
from pathlib import Path

from examples.digits.screen import console

_LINE = re.compile(
    r"function_log function=\S+ invocation=\S+ logger=tidegate\.\S+ (?P<name>\w+)(?P<fields>.*)"
)
_FIELD = re.compile(r"""(\w+)=('[^']*'|"[^"]*"|\S+)""")
_WHERE = {
    "CheckMonth": "arrival.check_month",
    "ScoreMonth": "scoring.score_month",
    "CheckJob": "jobs.check_job",
    "FinishMonth": "finishing.finish_month",
    "JudgeModel": "judging.judge_model",
    "PromoteModel": "promoting.promote_model",
    "AdvanceRollout": "rolling.advance_rollout",
    "WeighDrift": "drifting.weigh_drift",
    "RetrainModel": "drifting.retrain_model",
    "Notify": "telling.notify",
    "Reconcile": "upkeep.reconcile",
}
# As when two looked at once: the second looks again.
_LOOKS_AGAIN = {"CheckJob", "FinishMonth", "JudgeModel", "PromoteModel", "AdvanceRollout", "Notify"}


class Progress:
    """Follows the log from where it is now; `show` prints what came since, each line once."""

    def __init__(self, file: Path) -> None:
        self._file = file
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
                console.print(f"  [dim]{text}[/]")


def arrow(line: str) -> str | None:
    """`BlobCreated → inbox.accept → CheckMonth digits 202611`; None for a line that moves nothing on."""
    found = _LINE.search(line)
    if not found:
        return None
    fields = {key: value.strip("\"'") for key, value in _FIELD.findall(found["fields"])}
    what = f"{fields.get('command', '')} {_subject(fields)}".strip()
    match found["name"]:
        case "command_sent":
            event = fields.get("event_type", "").rpartition(".")[2]
            return f"{event} → inbox.accept → {what}"
        case "command_carried_out" if fields.get("follows", "") not in (
            "",
            *_LOOKS_AGAIN & {fields["command"]},
        ):
            where = _WHERE.get(fields["command"], "worker.carry_out")
            return f"{what} → {where} → {fields['follows'].replace(',', ', ')}"
        case "command_put_off" if "UpdateConditionNotSatisfied" not in line:
            return f"{what} → later: {fields.get('error', '')}"
        case "command_failed":
            return f"{what} → {fields.get('error', '')}"
    return None


def _subject(fields: dict[str, str]) -> str:
    """`digits 202611-1-g1`, or what else the command is about."""
    if "month" not in fields:
        return " ".join(
            fields[key] for key in ("model", "version", "signal", "job", "activity") if key in fields
        )
    numbers = [f"-{fields['version']}"] if "version" in fields else []
    numbers += [f"-g{fields['generation']}"] if "generation" in fields else []
    return f"{fields['feed']} {fields['month']}{''.join(numbers)}"
