"""Checks of storage, event subscriptions, notification channels, and the running service."""

from collections.abc import Iterable, Mapping
from typing import Any

from tidegate.api_client import ApiClient, ApiError
from tidegate.cloud.blobs import REJECTED, tidegate_containers
from tidegate.cloud.dead_letters import COUNTED, DEAD_LETTERS
from tidegate.cloud.ledger import TABLES, tidegate_tables
from tidegate.cloud.notification_sender import is_supported_url
from tidegate.cloud.queue import POISON_QUEUE, WORK_QUEUE, tidegate_queues
from tidegate.cloud.subscriptions import EventSubscription, event_subscriptions
from tidegate.config.types import url_scheme
from tidegate.domain.activities.notification_channels import failing_channels
from tidegate.errors import NotFoundError
from tidegate.installation.checks.check import CheckInputs, CheckResult, fail, ok, warn
from tidegate.installation.infra_files import declared_subscriptions
from tidegate.local_time import local_time

_DEPLOY = "run: tidegate deploy"


def storage(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check the queue, tables and containers of the service, and that each feed can be listed."""
    account, credential = inputs.service.settings.storage_account, inputs.service.credential
    needed = (
        ("queue", {WORK_QUEUE}, tidegate_queues(account, credential)),
        ("table", set(TABLES), tidegate_tables(account, credential)),
        ("container", {REJECTED, DEAD_LETTERS}, tidegate_containers(account, credential)),
    )
    missing = [f"{kind} {name}" for kind, names, existing in needed for name in sorted(names - existing)]
    yield (
        fail(f"storage account {account} lacks {', '.join(missing)}", _DEPLOY)
        if missing
        else ok(f"storage account {account} has the queue, tables and containers of the service")
    )
    for name, feed in inputs.feeds():
        container = f"container {feed.storage.account}/{feed.storage.container} of feed {name}"
        try:
            inputs.service.feeds.listing(feed.storage, "tidegate-doctor-looks-here/")
        except NotFoundError:
            yield fail(f"{container} does not exist", f"create the container, or {_DEPLOY}")
        else:
            yield ok(f"{container} can be listed")


def undelivered(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Count the messages in the poison queue and the dead letters of the event subscriptions."""
    counts = inputs.service.undelivered.count()
    if counts.poison_messages:
        yield warn(
            f"the queue {POISON_QUEUE} has about {counts.poison_messages} messages that crashed the service",
            "look at tidegate failures, and at the log: each is recorded as a failure within ten minutes",
        )
    if counts.dead_letters:
        many = f"{counts.dead_letters} or more" if counts.dead_letters == COUNTED else counts.dead_letters
        yield warn(
            f"the container {DEAD_LETTERS} has {many} dead letters, events that Event Grid could not deliver",
            "the timer takes them up every five minutes: if they stay, look at the log of the function work",
        )
    if not counts.poison_messages and not counts.dead_letters:
        yield ok("no message is in the poison queue, and there are no dead letters")


def pauses(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check whether a feed, a model or everything is paused."""
    paused = inputs.service.pauses.pauses()
    if not paused:
        yield ok("nothing is paused")
    for entry in paused:
        pause, since = entry.pause, local_time(entry.pause.since, inputs.config.timezone)
        what = f"{pause.target} is paused since {since} by {pause.by}: {pause.reason}"
        yield warn(f"{what}. Commands that wait: {len(entry.waiting)}", "end the pause: tidegate resume")


def subscriptions(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that each event subscription of infra/subscriptions.yaml exists at its source."""
    workspaces = inputs.config.workspaces
    sources = {
        "storage": list(dict.fromkeys(feed.storage.arm_id for _, feed in inputs.feeds())),
        "development": [workspaces.development.arm_id],
        "production": [workspaces.production.arm_id],
    }
    for topic, ids in sources.items():
        for source in ids:
            existing = {
                subscription.function: subscription
                for subscription in event_subscriptions(inputs.arm, source)
            }
            yield from _compare(source.rpartition("/")[2], declared_subscriptions(topic), existing)


def notifications(inputs: CheckInputs) -> Iterable[CheckResult]:
    channels = inputs.config.notify
    if not channels:
        yield warn("no notification channel is configured", "add one under notify in tidegate.yml")
    for number, channel in enumerate(channels):
        scheme = url_scheme(channel.url)
        if is_supported_url(channel.url):
            about = [*(channel.feeds or ()), *(channel.models or ())]
            only = f" about {', '.join(about)}" if about else ""
            yield ok(f"notify[{number}] ({scheme}) receives {', '.join(channel.events)}{only}")
        else:
            yield fail(
                f"notify[{number}] ({scheme}) is not a URL that Apprise can send to",
                f"correct notify[{number}].url in tidegate.yml: https://appriseit.com/services/",
            )
    for failing in failing_channels(channels, inputs.service.ledger.channels()):
        since = local_time(failing.since, inputs.config.timezone)
        messages = f"the last {failing.failures} messages" if failing.failures > 1 else "the last message"
        yield warn(
            f"{failing.name} did not accept {messages}, since {since}: {failing.problem}",
            "look whether its webhook or its token is still valid: messages are tried again for 24 hours",
        )


def service(inputs: CheckInputs) -> Iterable[CheckResult]:
    """Check that the service answers, and that it has the same configuration."""
    environ = inputs.service.settings.environ
    url, key = environ.get("FUNCTIONS_URL"), environ.get("FUNCTIONS_KEY")
    if not url or not key:
        yield warn(
            "the running service was not checked, because its address or key is not set",
            "set FUNCTIONS_URL and FUNCTIONS_KEY",
        )
        return
    try:
        health = ApiClient(url, key).get("/api/health")
    except ApiError as error:
        yield fail(str(error), f"correct this, and look at {url}/api/health again")
        return
    if health["configuration"] == inputs.config.digest:
        yield ok(f"the service at {url} answers, and has the same configuration")
    else:
        yield warn(
            f"the service at {url} runs with another tidegate.yml or other variables",
            "deploy the service again",
        )


def _compare(
    source: str, needed: list[Mapping[str, Any]], existing: Mapping[str, EventSubscription]
) -> Iterable[CheckResult]:
    missing = [declared["function"] for declared in needed if declared["function"] not in existing]
    if missing:
        yield fail(
            f"{source}: no event subscription calls the function {', '.join(missing)}",
            "deploy infra/subscriptions.bicep (docs/azure.md)",
        )
    for declared in needed:
        subscription = existing.get(declared["function"])
        if subscription is None:
            continue
        types = set(declared["filter"]["includedEventTypes"])
        lacking = types - subscription.event_types if subscription.event_types else set()
        if lacking:
            yield fail(
                f"{source}: the filter of event subscription {subscription.name} lacks "
                f"{', '.join(sorted(lacking))}",
                "add these event types to its filter",
            )
        elif not subscription.ready:
            yield warn(
                f"{source}: event subscription {subscription.name} is not provisioned",
                "wait some minutes, then look at it in the Azure portal",
            )
    if not missing:
        yield ok(f"{source}: every event subscription exists ({len(needed)})")
