"""Notifications about budgets: what the jobs of a month cost, and what follows."""

from dataclasses import dataclass

from tidegate.config.costs import Budget
from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.pause_texts import target_name
from tidegate.domain.activities.subjects import feed_subject, model_subject
from tidegate.domain.costs import Estimate


@dataclass(frozen=True)
class Spending:
    """What the jobs of a feed or a model cost in a month. `owner` is `feed:digits` or `model:classifier`."""

    owner: str
    month: str
    budget: Budget
    currency: str
    spent: Estimate

    @property
    def name(self) -> str:
        return target_name(self.owner)

    @property
    def subject(self) -> str:
        kind, _, name = self.owner.partition(":")
        return feed_subject(name) if kind == "feed" else model_subject(name)

    @property
    def amounts(self) -> str:
        """Return what was spent of what: `170.20 of 200.00 USD`."""
        return f"{self.spent.amount:.2f} of {self.budget.amount:.2f} {self.currency}"


def warning(spending: Spending, trigger: Trigger) -> Activity:
    """Return the activity of the share of a budget at which people are notified, once a month."""
    title = f"{spending.name} has used {spending.amounts} in {spending.month}"
    text = (
        f"{_sentences(spending)}When the budget is used up, no new jobs start until the next month. To let "
        "them start, raise budget.amount in tidegate.yml."
    )
    return _activity(spending, trigger, "warning", title, text)


def used_up(spending: Spending, trigger: Trigger) -> Activity:
    """Return the activity of a budget that is used up, once a month."""
    title = f"{spending.name} has used up its budget for {spending.month}"
    kind, _, name = spending.owner.partition(":")
    resume = f"tidegate resume {name}" if kind == "feed" else f"tidegate resume --model {name}"
    text = (
        f"{_sentences(spending)}No new jobs start. What would start them waits until the next month, or "
        f"until a person lets it go on for the rest of this month: {resume}"
    )
    return _activity(spending, trigger, "used_up", title, text)


def _sentences(spending: Spending) -> str:
    spent = spending.spent
    text = f"The jobs that ended cost {spending.amounts}, by estimate. "
    if spent.running:
        text += f"{spent.running} jobs run and are not part of it. "
    if spent.no_price:
        text += f"Without a price, and not part of it: {', '.join(sorted(spent.no_price))}. "
    if spent.unknown:
        text += f"What {spent.unknown} jobs took is not known. "
    return text


def _activity(spending: Spending, trigger: Trigger, kind: str, title: str, text: str) -> Activity:
    return Activity(
        subject=spending.subject,
        id=f"budget-{kind}-{spending.month}",
        kind=f"budget.{kind}",
        at=trigger.at,
        title=title,
        text=text,
        data={
            "month": spending.month,
            "amount": round(spending.spent.amount, 2),
            "budget": spending.budget.amount,
            "currency": spending.currency,
        },
        cause=trigger.cause,
    )
