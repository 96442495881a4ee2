"""Every line that the service logs: its name, its level, its fields, and what it says.

Alerts and workbooks of Azure Monitor read these lines (infra/queries), so names and fields are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Level = Literal["debug", "info", "warning"]

# On every line of a command or an event, besides the fields of the line.
BOUND = ("cause", "command", "event_id", "event_type")
# What a command is about. A line has those that the command has.
IDENTIFIERS = (
    "activity",
    "backfill",
    "feed",
    "generation",
    "job",
    "model",
    "partition",
    "signal",
    "source",
    "subject",
    "version",
    "workspace",
)


@dataclass(frozen=True)
class Line:
    """A line of the log: its level, what it says, and its fields."""

    level: Level
    about: str
    fields: tuple[str, ...] = ()


def _line(level: Level, about: str, fields: str = "") -> Line:
    return Line(level, about, tuple(fields.split()))


LINES: Mapping[str, Line] = {
    "activity_sent": _line("info", "a channel or the topic has accepted an activity", "channel kind subject"),
    "approval_saved": _line("info", "a person approved or refused a version", "approved model version"),
    "backfill_changed": _line("info", "a backfill was paused, resumed or cancelled", "backfill feed state"),
    "backfill_requested": _line("info", "a person requested a backfill", "backfill feed partitions"),
    "budget_paused_already": _line("info", "a budget is used up, and its feed or model is paused", "target"),
    "budget_renewed": _line("info", "a new month has begun, and the pause of a budget ends", "target"),
    "champion_changed": _line("info", "a version is champion", "model version"),
    "champion_gone": _line("warning", "the files of a champion set cannot be found", "model version"),
    "champion_judged": _line("info", "a champion was judged with another decoder", "decoder passed"),
    "champion_judged_again": _line(
        "info", "the judging of a champion with another decoder begins", "decoder version"
    ),
    "champion_rolled_back": _line("info", "the previous champion is champion again", "model to"),
    "channel_failed": _line(
        "warning", "a notification channel did not accept a message", "reason scheme statuses"
    ),
    "channel_not_recorded": _line("warning", "the state of a channel could not be recorded", "channel error"),
    "channel_recovered": _line("info", "a channel accepts messages again", "failures scheme"),
    "claim_released": _line("warning", "a promotion that has ended gave its place free", "model version"),
    "command_carried_out": _line(
        "info", "a command has done its step; `follows` are the next commands", "follows"
    ),
    "command_failed": _line("warning", "a command failed permanently", "error"),
    "command_held": _line("info", "a command waits for the end of a pause", "pause"),
    "command_joined": _line("info", "a command was dropped: the retries of another do its work"),
    "command_left_to_timer": _line(
        "warning", "a command was dropped: the timer sends it again", "command error"
    ),
    "command_retried_later": _line("warning", "a command failed and is sent again", "delay_s error tries"),
    "command_sent": _line("info", "an event led to a command", "command"),
    "conflict_retried": _line("debug", "a record was changed by another writer", "error subject"),
    "dead_letter_taken_up": _line("info", "a dead letter was given to the inbox", "blob"),
    "dead_letters_left": _line("warning", "dead letters could not be read or accepted", "error"),
    "delay_not_closed": _line("warning", "the end of a delay could not be recorded", "error"),
    "delay_not_recorded": _line("warning", "a delay could not be recorded", "error"),
    "deployment_not_deleted": _line(
        "warning", "a deployment that is not used could not be deleted", "deployment endpoint error"
    ),
    "drift_weighed": _line("info", "it was decided whether a signal starts a training", "taken why"),
    "endpoint_changes": _line("info", "a rollout changes its endpoint", "endpoint step"),
    "evaluation_outdated": _line(
        "info", "the champion changed during an evaluation: it is made again", "judged_beside"
    ),
    "event_ignored": _line("debug", "an event means nothing for the service", "reason"),
    "event_not_published": _line(
        "warning", "the custom topic did not accept an activity", "error event_type subject"
    ),
    "event_recorded": _line("info", "what an event says was recorded", "kind subject"),
    "event_rejected": _line("warning", "an event was rejected, and is kept", "about reason"),
    "external_verdict_saved": _line(
        "info", "a program outside has decided on a version", "model passed version"
    ),
    "failure_closed": _line("info", "work that had failed has succeeded", "failure subject"),
    "failure_not_recorded": _line("warning", "a failure could not be recorded", "error reason"),
    "failure_recorded": _line(
        "warning", "work failed permanently, and waits for a person", "failure subject"
    ),
    "failure_replayed": _line("info", "a person replayed a failure", "effect failure subject"),
    "feed_first_seen": _line("info", "a feed was listed for the first time", "feed newest"),
    "feed_not_listed": _line("warning", "a feed's folder could not be listed", "error feed"),
    "files_changed": _line("warning", "the files of a model changed during its promotion", "model version"),
    "first_champion_awaited": _line("info", "a partition waits for the first champion", "feed model"),
    "forecasts_compared": _line(
        "info", "forecasts of a set were compared with actual values", "compared keys model"
    ),
    "gate_only_observes": _line("info", "the gate has mode: observe", "model version"),
    "generation_ended": _line("info", "a scoring has ended", "result state why"),
    "history_moved": _line("info", "old rows of the ledger are in the lake now", "path rows table"),
    "history_table_written": _line("info", "a table for other programs was written", "rows table"),
    "job_ended": _line("info", "a job has ended", "end job reason"),
    "job_stuck": _line("warning", "a job has passed a time limit", "job limit resubmit_on"),
    "job_submitted": _line("info", "a job was submitted", "compute job"),
    "jobs_not_listed": _line("warning", "the states of jobs could not be read", "error jobs workspace"),
    "judged_again": _line("info", "a version is judged again before its promotion", "model version why"),
    "judging_requested": _line("info", "a person had a version judged again", "model number version"),
    "members_registered": _line("info", "members of a set were registered", "members model version"),
    "message_unreadable": _line("warning", "a message of the queue cannot be read", "error"),
    "missed_registrations_not_listed": _line(
        "warning", "the versions of a model could not be listed", "error model"
    ),
    "model_judged": _line("info", "the gate has decided about a version", "passed state verdict"),
    "model_not_tagged": _line(
        "warning", "a verdict could not be written to the model", "error model version"
    ),
    "model_retrained": _line("info", "a training has made a version", "model version"),
    "model_tags_left_out": _line(
        "warning", "Azure does not accept some tags of a model", "model tags version"
    ),
    "no_drift_measured": _line("info", "a partition has no drift", "of source"),
    "nothing_to_promote": _line("info", "the version is not to be promoted any more", "model version"),
    "operation_started": _line("info", "Azure has begun to change an endpoint", "what"),
    "other_operation_running": _line("info", "Azure changes the endpoint already", "error what"),
    "page_failed": _line("warning", "a page could not be shown", "error path"),
    "paused": _line("info", "a person paused work", "since target"),
    "poison_message_taken": _line("warning", "a command that crashed the service five times is recorded"),
    "request_failed": _line("warning", "a request to the API failed", "error status"),
    "rerun_requested": _line("info", "a person had a partition scored again", "cause feed scoring"),
    "resumed": _line("info", "a person ended a pause", "sent target"),
    "retraining_requested": _line("info", "a person started a training", "model signal"),
    "rewritten_files_not_read": _line(
        "warning", "files with a new ETag could not be compared with the old ones", "files partition"
    ),
    "rollout_moved": _line("info", "a rollout has taken a step", "endpoint phase why"),
    "rollout_waits": _line("info", "a rollout waits", "why"),
    "set_index_not_read": _line(
        "warning", "the index of a champion set cannot be read", "error model version"
    ),
    "share_refused": _line("info", "a registry did not accept a version now", "error model version"),
    "timer_completed": _line("info", "the timer has looked at everything unfinished", "commands"),
    "too_few_threads": _line("warning", "the worker has too few threads", "needed threads"),
    "turn_awaited": _line(
        "info", "a version waits for its turn among the feed's live jobs", "feed turn turns"
    ),
    "unfinished_work": _line(
        "info", "the timer's summary of one kind of unfinished work", "count kind oldest oldest_s"
    ),
    "usage_not_read": _line("warning", "the node-seconds of a job could not be read", "error job"),
    "version_added": _line("info", "a partition has a new version", "files reason version"),
    "version_in_production": _line("info", "a version is registered in production", "bytes model version"),
    "version_restored": _line(
        "info", "a version that had been archived is restored", "model version workspace"
    ),
    "version_stopped": _line("info", "a version goes no further", "model state version why"),
    "versions_in_use_not_checked": _line("warning", "the versions in use could not be read", "error model"),
    "waiting_again": _line("info", "a command that was sent is held by another pause", "pause what"),
    "winners_registered": _line(
        "info", "the set of an evaluation's winners is registered", "from_version model version"
    ),
}
