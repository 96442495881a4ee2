"""The dependencies that handlers, steps and manual actions share."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tidegate.config.model_policy import Policy
from tidegate.config.schema import Config, Feed
from tidegate.domain.activities.activity import Activity
from tidegate.domain.effects import Act
from tidegate.errors import PermanentError
from tidegate.messages.commands import Next, Notify, Origin

if TYPE_CHECKING:
    from tidegate.cloud.ledger import Ledger
    from tidegate.cloud.workspaces import ConfiguredWorkspaces, WorkspaceClients


@dataclass(frozen=True, kw_only=True)
class ServiceContext:
    """The configuration, the ledger, the workspaces and the clock of one installation."""

    config: Callable[[], Config]
    ledger: "Ledger"
    workspaces: "ConfiguredWorkspaces"
    now: Callable[[], datetime]

    def feed(self, name: str) -> Feed:
        """Return a feed of tidegate.yml. Raise PermanentError if there is no feed of this name."""
        feed = self.config().feeds.get(name)
        if feed is None:
            raise PermanentError(
                f"tidegate.yml has no feed {name}: add it under feeds, then replay this command"
            )
        return feed

    def policy(self, model: str) -> Policy | None:
        """Return the policy of a model, or None if tidegate.yml has none for it."""
        return self.config().models.get(model)

    def workspace_of(self, feed: Feed) -> "WorkspaceClients":
        """Return the workspace that has the feed's data assets, jobs and results."""
        return self.workspaces[feed.workspace]

    @property
    def development(self) -> "WorkspaceClients":
        """The workspace in which models are trained and judged."""
        return self.workspaces["development"]

    @property
    def production(self) -> "WorkspaceClients":
        """The workspace to which models are promoted, and which has their endpoints."""
        return self.workspaces["production"]

    def requested(self, cause: str, origin: Origin) -> AbstractContextManager[None]:
        """Record what is saved in the `with` block as effects of a person's request."""
        return self.ledger.effects.acting(Act(cause, origin.what, self.now(), origin))

    def announce(self, activity: Activity) -> Next:
        """Record an activity once, and return the command that notifies people of it."""
        self.ledger.add_activity(activity)
        return Next(notification_of(activity))


def notification_of(activity: Activity) -> Notify:
    """Return the command that notifies people of a recorded activity."""
    return Notify(cause=activity.cause, subject=activity.subject, activity=activity.id)
