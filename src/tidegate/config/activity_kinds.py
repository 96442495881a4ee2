"""The kinds of activities that people can subscribe to in tidegate.yml."""

import re
from collections.abc import Mapping

# The kinds that `notify: events:` accepts, each with what has happened.
KINDS: Mapping[str, str] = {
    "partition.registered": "a partition, or a new version of it, is complete and registered",
    "partition.late": "the deadline has passed, and the partition is not complete or not scored",
    "partition.files_missing": "files that a list names have not arrived an hour after the list",
    "partition.changed": "files changed after a partition was complete, and no new version is made of them",
    "partition.preempted": "a job lost its nodes (it was preempted), and it is submitted again",
    "partition.stuck": "a scoring has passed a time limit: it does not start, runs too long or is silent",
    "partition.scored": "predictions are published and reconciled",
    "partition.incomplete": "some files have no prediction, or several",
    "partition.superseded": "the files changed during the scoring, so the predictions do not count",
    "partition.failed": "scoring failed, or too many files are broken",
    "partition.cancelled": "a person cancelled the job",
    "backfill.started": "a person requested to score a range of partitions again",
    "backfill.done": "all partitions of a backfill have ended, with the number of those that failed",
    "backfill.cancelled": "a person cancelled a backfill, and its last job has ended",
    "feed.files_outside": "files lie below a feed's path in the folder of no partition",
    "model.registered": "a model was registered",
    "model.judged": "a model passed the gate, or the gate only observed it",
    "model.refused": "a model was refused, not approved in time, or could not be promoted",
    "model.needs_approval": "a model passed the gate and waits for a person's approval",
    "model.awaits_external": "a model passed the other rules and waits for the verdict of a CI pipeline",
    "model.approved": "a person approved a model",
    "model.cancelled": "a person cancelled the evaluation of a model, so there is no verdict",
    "model.preempted": "an evaluation or training lost its nodes (it was preempted) and is submitted again",
    "model.stuck": "an evaluation, a training or a promotion has passed a time limit",
    "model.champion_judged": "the image decoder changed, and the champion passes with the new one",
    "model.champion_unfit": "the champion does not pass with a new image decoder, or was not judged in time",
    "model.promoted": "a model is champion in production",
    "model.rolled_back": "the previous champion is champion again",
    "model.compared": "the forecasts of a model set were compared with actual values",
    "model.retraining": "a new model is being trained",
    "model.retraining_failed": "training a new model failed",
    "model.retraining_cancelled": "a person cancelled the training of a new model",
    "model.version_lost": "a model version in use was archived or deleted outside of the service",
    "model.version_back": "a lost model version is there again, or nothing depends on it any more",
    "model.deployed": "a model was deployed",
    "rollout.started": "the rollout of a model to an endpoint has started",
    "rollout.step": "a rollout took its next step",
    "rollout.stuck": "Azure has not finished a change of the endpoint in time; the rollout waits for it",
    "rollout.failed": "a step of a rollout failed, and the new deployment lost its traffic",
    "rollout.done": "a rollout is complete",
    "drift.detected": "a monitor or the service's own measurement found drift, and a training starts",
    "drift.ignored": "drift was found, and no training starts",
    "channel.failing": "a notification channel has accepted no message for some time",
    "channel.recovered": "a channel that was announced as failing accepts messages again",
    "event.rejected": "an event could not be read; it can be replayed",
    "budget.warning": "the jobs of a feed or a model cost as much of the month's budget as `warn_at` says",
    "budget.used_up": "the month's budget of a feed or a model is used up, and no new jobs start",
    "work.paused": "a person paused a feed, a model or everything",
    "work.resumed": "a person ended a pause; what waited is sent",
    "work.delayed": "a command failed several times, and is tried again",
    "work.recovered": "delayed or failed work has succeeded",
    "work.failed": "a command failed permanently; it can be replayed",
}


def event_type(kind: str) -> str:
    """Return the type of the event that is published for a kind: `Tidegate.PartitionScored`."""
    return "Tidegate." + "".join(word.capitalize() for word in re.split(r"[._]", kind))
