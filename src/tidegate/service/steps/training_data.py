"""The data that a retraining uses: the labelled set of the policy, and the newest scored partitions."""

from tidegate.config.model_policy import Drift
from tidegate.domain.lifecycle.drift import scored_partitions
from tidegate.service.context import ServiceContext


def training_data(context: ServiceContext, drift: Drift) -> list[str]:
    """Return the Data asset versions to train on, the policy's training set first.

    Partitions that are scored in production are left out, because training has no access to them.
    """
    feed = context.config().feeds[drift.feed]
    partitions = context.ledger.partitions(drift.feed) if feed.workspace == "development" else []
    versions = [f"{drift.feed}:{version}" for version in scored_partitions(partitions, drift.partitions)]
    return [*([drift.training] if drift.training else []), *versions]
