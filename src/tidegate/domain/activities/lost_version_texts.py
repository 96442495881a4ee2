"""Notifications about model versions in use that were archived or deleted outside of the service."""

from tidegate.domain.activities.activity import Activity, Trigger
from tidegate.domain.activities.subjects import model_subject
from tidegate.domain.lifecycle.names import model_reference
from tidegate.domain.lifecycle.records import LostVersion

_NAMED = 10


def lost(model: str, version: LostVersion, cause: str) -> Activity:
    """Return the activity of a loss. The same loss always gives the same activity."""
    name = model_reference(model, version.version)
    uses = "\n".join(f"- {use}" for use in version.uses[:_NAMED])
    more = len(version.uses) - _NAMED
    if version.what == "archived":
        step = "The service restores it: archiving only sets a flag, and its files are still there."
    else:
        step = (
            "It cannot be restored. Scorings and deployments that have to read its files fail. If it was "
            f"champion, go back with `tidegate rollback {model}`, or promote another version."
        )
    return _activity(
        model,
        version,
        "lost",
        Trigger(version.since, cause),
        f"{name} was {version.what} in {version.workspace} while it is in use",
        f"Depends on it:\n{uses}\n" + (f"- and {more} more\n" if more > 0 else "") + step,
    )


def over(model: str, version: LostVersion, *, in_use: bool, trigger: Trigger) -> Activity:
    """Return the activity of the end of a loss."""
    name = model_reference(model, version.version)
    if in_use:
        title = f"{name} is there again in {version.workspace}"
        text = f"It was {version.what} since {version.since:%Y-%m-%d %H:%M %Z}. There is nothing to do."
    else:
        title = f"Nothing depends on {name} in {version.workspace} any more"
        text = f"It was {version.what} since {version.since:%Y-%m-%d %H:%M %Z}, and it is not in use now."
    return _activity(model, version, "back", trigger, title, text)


def _activity(  # noqa: PLR0913, PLR0917 - the fields of an activity
    model: str, version: LostVersion, what: str, trigger: Trigger, title: str, text: str
) -> Activity:
    return Activity(
        subject=model_subject(model),
        id=f"version-{what}-{version.workspace}-{version.version}-{version.since:%Y%m%dT%H%M%S%f}",
        kind=f"model.version_{what}",
        at=trigger.at,
        title=title,
        text=text,
        data={
            "model": model,
            "version": version.version,
            "workspace": version.workspace,
            "what": version.what,
            "uses": version.uses,
        },
        cause=trigger.cause,
    )
