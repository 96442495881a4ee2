"""The budgets of feeds and models: notify people in time, and start no new jobs after one is used up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidegate.config.costs import Budget
from tidegate.domain.activities import budget_texts, pause_texts
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.budget_texts import Spending
from tidegate.domain.costs import budget_owner, estimate, month_of, next_month, total
from tidegate.domain.jobs.records import Job
from tidegate.domain.pauses import Pause, budget_target, feed_target, model_target
from tidegate.errors import ConflictError
from tidegate.log import Log
from tidegate.service.context import ServiceContext

log = Log(__name__)

SERVICE = "the service"


@dataclass(frozen=True)
class Budgets:
    """A used up budget is a pause of its own, beside those of people, until the next month.

    The stop is made once a month: after a person has ended it, jobs start until the month ends. The timer
    sends the notifications.
    """

    context: ServiceContext

    def check(self, job: Job) -> None:
        """Check the budget that a job belongs to, after its end was saved."""
        owner = budget_owner(job)
        if budget := self._budgets().get(owner):
            self._check(owner, budget, self._jobs(), job.cause or job.name)

    def check_all(self, cause: str) -> None:
        """Check all budgets, because a check after a job may have got lost."""
        budgets = self._budgets()
        jobs = self._jobs() if budgets else []
        for owner, budget in budgets.items():
            self._check(owner, budget, jobs, cause)

    def end_pauses(self) -> None:
        """End the pauses of budgets whose month is over. The caller sends what waited."""
        now = self.context.now()
        for pause in self.context.ledger.pauses():
            if pause.ends_at and pause.ends_at <= now:
                self.context.announce(pause_texts.resumed(pause, f"{SERVICE} (a new month)", now))
                self.context.ledger.delete(pause)
                log.info("budget_renewed", target=pause.target)

    def _budgets(self) -> dict[str, Budget]:
        config = self.context.config()
        feeds = {feed_target(name): feed.budget for name, feed in config.feeds.items()}
        models = {model_target(name): policy.budget for name, policy in config.models.items()}
        return {target: budget for target, budget in (feeds | models).items() if budget}

    def _jobs(self) -> list[Job]:
        return self.context.ledger.jobs_of_month(self._month(self.context.now()))

    def _month(self, at: datetime) -> str:
        return month_of(at, self.context.config().timezone)

    def _check(self, owner: str, budget: Budget, jobs: Sequence[Job], cause: str) -> None:
        prices = self.context.config().prices
        if prices is None:
            return
        spent = total(estimate(job, prices) for job in jobs if budget_owner(job) == owner)
        now = self.context.now()
        spending = Spending(owner, self._month(now), budget, prices.currency, spent)
        trigger = Trigger(now, cause)
        if spent.amount >= budget.amount:
            self._stop(budget_texts.used_up(spending, trigger), spending, now)
        elif spent.amount >= budget.amount * budget.warn_at:
            self._announce_once(budget_texts.warning(spending, trigger))

    def _stop(self, activity: Activity, spending: Spending, now: datetime) -> None:
        """Pause the owner of a budget, once a month. The pause comes first, so that a crash repeats it."""
        if self.context.ledger.activity(activity.subject, activity.id):
            return
        pause = Pause(
            target=budget_target(spending.owner),
            by=SERVICE,
            reason=activity.title,
            since=now,
            ends_at=next_month(now, self.context.config().timezone),
        )
        try:
            self.context.ledger.save(pause)
        except ConflictError:
            log.info("budget_paused_already", target=pause.target)
        self.context.announce(activity)

    def _announce_once(self, activity: Activity) -> None:
        if self.context.ledger.activity(activity.subject, activity.id) is None:
            self.context.announce(activity)
