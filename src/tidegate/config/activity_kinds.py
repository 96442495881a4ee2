"""The kinds of activities that people can subscribe to in tidegate.yml."""

from collections.abc import Mapping

# What people can subscribe to in tidegate.yml, under `notify: events:`.
KINDS: Mapping[str, str] = {
    "month.registered": "a month, or a new version of it, is complete and registered",
    "month.late": "the deadline has passed, and the month is not complete",
    "month.changed": "files changed after a month was complete, and no new version is made of it",
    "month.preempted": "the nodes of a job were taken away; it is submitted again",
    "month.scored": "predictions are published and reconciled",
    "month.incomplete": "files are missing in the predictions, or doubled",
    "month.superseded": "the files changed while they were scored",
    "month.failed": "scoring failed, or too many files are broken",
    "month.cancelled": "a person cancelled the job",
    "model.registered": "a model was registered",
    "model.judged": "a model passed the gate, or the gate only observed it",
    "model.refused": "a model was refused by the gate or by a person, or nobody approved it in time",
    "model.needs_approval": "a model passed and waits for a person's word",
    "model.approved": "a person approved a model",
    "model.preempted": "the nodes of an evaluation were taken away; it is submitted again",
    "model.promoted": "a model is champion in production",
    "model.rolled_back": "the previous champion is champion again",
    "model.retraining": "a new model is being trained",
    "model.retraining_failed": "training a new model failed, or a person cancelled it",
    "model.deployed": "a model was deployed",
    "rollout.started": "a model in production begins to take traffic",
    "rollout.step": "a rollout took its next step",
    "rollout.failed": "a step of a rollout failed, and its traffic was taken back",
    "rollout.done": "a rollout is complete",
    "drift.detected": "a monitor or our own measurement saw drift",
    "drift.ignored": "drift was seen, and nothing is done about it",
    "event.rejected": "an event of ours could not be understood; it can be replayed",
    "work.delayed": "a command fails for now, and is tried again",
    "work.failed": "a command failed for good; it can be replayed",
}
# Activities that are events on our custom topic, too.
OWN_EVENTS: Mapping[str, str] = {"month.scored": "Tidegate.MonthScored"}
