"""Whether files, events and messages find their way: storage, subscriptions, channels, the service."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tidegate.api_client import ApiClient, ApiError
from tidegate.cloud.blobs import REJECTED, tidegate_containers
from tidegate.cloud.channels import is_supported_url
from tidegate.cloud.ledger import TABLES, tidegate_tables
from tidegate.cloud.queue import WORK_QUEUE, tidegate_queues
from tidegate.cloud.subscriptions import EventSubscription, event_subscriptions
from tidegate.errors import NotFoundError
from tidegate.installation.checks.findings import Found, Installation, fail, ok, warn
from tidegate.installation.deploy import DEAD_LETTERS

_DEPLOY = "run: tidegate deploy"
_SUBSCRIPTIONS = Path(__file__).resolve().parents[4] / "infra" / "subscriptions.yaml"


def storage(installation: Installation) -> Iterable[Found]:
    account, credential = installation.service.settings.storage_account, installation.service.credential
    wanted = (
        ("queue", {WORK_QUEUE}, tidegate_queues(account, credential)),
        ("table", set(TABLES), tidegate_tables(account, credential)),
        ("container", {REJECTED, DEAD_LETTERS}, tidegate_containers(account, credential)),
    )
    missing = [f"{kind} {name}" for kind, names, there in wanted for name in sorted(names - there)]
    yield (
        fail(f"{account} has no {', '.join(missing)}", _DEPLOY)
        if missing
        else ok(f"{account} has all of ours")
    )
    for name, feed in installation.feeds():
        place = f"{feed.storage.account}/{feed.storage.container}"
        try:
            installation.service.feeds.listing(feed.storage, "tidegate-doctor-looks-here/")
        except NotFoundError:
            yield fail(f"{place} of feed {name} does not exist", f"create the container, or {_DEPLOY}")
        else:
            yield ok(f"{place} of feed {name} can be listed")


def subscriptions(installation: Installation) -> Iterable[Found]:
    """Those that infra/subscriptions.yaml names, on whatever each of them is about."""
    workspaces = installation.config.workspaces
    sources = {
        "storage": list(dict.fromkeys(feed.storage.arm_id for _, feed in installation.feeds())),
        "development": [workspaces.development.arm_id],
        "production": [workspaces.production.arm_id],
    }
    wanted = _wanted()
    for topic, ids in sources.items():
        for source in ids:
            there = {one.function: one for one in event_subscriptions(installation.arm, source)}
            needed = [one for one in wanted if one["topic"] == topic]
            yield from _compared(source.rpartition("/")[2], needed, there)


def notifications(installation: Installation) -> Iterable[Found]:
    channels = installation.config.notify
    if not channels:
        yield warn("nobody is told of anything", "add a channel under notify in tidegate.yml")
    for number, channel in enumerate(channels):
        scheme = channel.url.partition(":")[0]
        if is_supported_url(channel.url):
            yield ok(f"notify[{number}] ({scheme}) for {', '.join(channel.events)}")
        else:
            yield fail(
                f"notify[{number}] ({scheme}) is no address that Apprise knows",
                "https://appriseit.com/services/",
            )


def service(installation: Installation) -> Iterable[Found]:
    environ = installation.service.settings.environ
    url, key = environ.get("FUNCTIONS_URL"), environ.get("FUNCTIONS_KEY")
    if not url or not key:
        yield warn("it is not known where the service is", "set FUNCTIONS_URL and FUNCTIONS_KEY")
        return
    try:
        health = ApiClient(url, key).get("/api/health")
    except ApiError as error:
        yield fail(str(error), f"mend that, and ask {url}/api/health again")
        return
    if health["configuration"] == installation.config.digest:
        yield ok(f"{url} answers, with the same configuration")
    else:
        yield warn(
            f"{url} answers, with another tidegate.yml or other variables than here",
            "deploy the service again",
        )


def _wanted() -> list[dict[str, Any]]:
    from ruamel.yaml import YAML

    return list(YAML(typ="safe").load(_SUBSCRIPTIONS.read_text(encoding="utf-8")))


def _compared(
    name: str, needed: list[dict[str, Any]], there: Mapping[str, EventSubscription]
) -> Iterable[Found]:
    missing = [one["function"] for one in needed if one["function"] not in there]
    if missing:
        yield fail(
            f"{name}: no event subscription calls {', '.join(missing)}",
            "make them as infra/subscriptions.yaml says",
        )
    for one in needed:
        found = there.get(one["function"])
        if found is None:
            continue
        lacking = set(one["filter"]["includedEventTypes"]) - found.event_types if found.event_types else set()
        if lacking:
            yield fail(
                f"{name}: {found.name} lets no {', '.join(sorted(lacking))} through", "add it to its filter"
            )
        elif not found.ready:
            yield warn(f"{name}: {found.name} is not provisioned", "wait, or look at it in the portal")
    if not missing:
        yield ok(f"{name}: {len(needed)} event subscriptions")
