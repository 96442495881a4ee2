"""Notifications reach every kind of channel as they were written, and channels that fail are known."""

import re
from collections import deque
from pathlib import Path
from typing import Any, cast

import pytest
from tests.support import config_yaml
from tests.support.azure_clients import table_service
from tests.support.clock import Clock
from tests.support.hostile_names import HOSTILE as HOSTILE_NAMES
from tests.support.mail_receiver import MailReceiver
from tests.support.service import start_service
from tests.support.webhook_receiver import WebhookReceiver

from tidegate.bootstrap import Service
from tidegate.cloud.arm import ArmClient
from tidegate.cloud.notification_sender import NotificationSender
from tidegate.domain.activities.activity import Activity
from tidegate.domain.activities.channel_texts import Message
from tidegate.domain.activities.subjects import channel_subject
from tidegate.errors import TransientError
from tidegate.installation.asset_files import installed_assets
from tidegate.installation.checks import connections
from tidegate.installation.checks.check import CheckInputs, CheckState
from tidegate.messages.commands import Notify, Reconcile
from tidepool.cloud import StorageAccount, Tidepool

LINK = "https://tidegate.example.com/feeds/digits/202611?a_b=1"
HOSTILE = Message(
    title="a <b> *x* @everyone <!channel> <at>bob</at> [l](http://evil.example) `c`",
    text="# head\n- item\n1. one\n<@123> @here **bold** <https://evil.example|good> a_b_c ||spoiler||\n"
    "<script>alert(1)</script>",
    ending=("To try it again: tidegate replay 3f2a9c81d04e", LINK),
)


def from_mailbox(tidepool: Tidepool, url: str, message: Message) -> tuple[str, Any]:
    """Send a message to a channel, and return the host and the body of what arrived."""
    before = len(tidepool.mailbox())
    assert NotificationSender().send(url, message) is None
    [sent] = tidepool.mailbox()[before:]
    return sent["host"], sent["body"]


def test_a_json_webhook_gets_title_and_text_as_they_are() -> None:
    with WebhookReceiver() as receiver:
        url = receiver.url.replace("http://", "json://")
        assert NotificationSender().send(url, HOSTILE) is None

    [delivery] = receiver.deliveries
    assert delivery.body["title"] == HOSTILE.title
    assert delivery.body["message"] == HOSTILE.lines()


def test_slack_shows_the_text_as_it_is_and_mentions_nobody(tidepool: Tidepool) -> None:
    host, body = from_mailbox(tidepool, "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", HOSTILE)

    [attachment] = body["attachments"]
    assert host == "hooks.slack.com"
    assert body["mrkdwn"] is False
    for text in (attachment["title"], attachment["text"]):
        assert not re.search(r"[<>]", text)
    assert "&lt;!channel&gt;" in attachment["title"]
    assert attachment["text"].endswith(LINK)


def test_discord_shows_the_text_as_it_is_and_pings_nobody(tidepool: Tidepool) -> None:
    host, body = from_mailbox(tidepool, "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", HOSTILE)

    content = body["content"]
    assert host == "discord.com"
    assert not re.search(r"@(everyone|here|!?&?\d)", content)
    assert r"\*\*bold\*\*" in content
    assert r"\[l\]\(http://evil" in content
    assert re.search(r"(?m)^\\# head$", content)
    assert re.search(r"(?m)^\\- item$", content)
    assert r"\|\|spoiler\|\|" in content
    assert content.endswith(LINK)


def test_a_text_that_is_too_long_for_a_channel_keeps_its_link(tidepool: Tidepool) -> None:
    long = Message("A verdict", "\n".join(f"rule_{n}: {'x' * 50}" for n in range(300)), HOSTILE.ending)

    _, body = from_mailbox(tidepool, "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", long)

    assert len(body["content"]) <= 2000
    assert "(shortened)" in body["content"]
    assert body["content"].endswith(LINK)


def test_teams_gets_an_adaptive_card_with_a_link_and_without_formats(tidepool: Tidepool) -> None:
    url = "workflows://prod-1.japaneast.logic.azure.com:443/workflow/signature"

    host, body = from_mailbox(tidepool, url, HOSTILE)

    [attachment] = body["attachments"]
    assert host == "prod-1.japaneast.logic.azure.com"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    blocks = {block["id"]: block["text"] for block in card["body"] if "id" in block}
    assert "entities" not in card["msteams"]  # mentions
    assert r"\*x\*" in blocks["title"]
    assert r"\[l\]\(" in blocks["title"]
    assert r"\*\*bold\*\*" in blocks["body"]
    assert blocks["body"].endswith(f"[{LINK}]({LINK})")


def test_mail_has_the_text_as_it_is() -> None:
    with MailReceiver() as receiver:
        url = f"mailto://127.0.0.1:{receiver.port}/?from=tidegate@example.com&to=on-call@example.com&mode=insecure"
        assert NotificationSender().send(url, HOSTILE) is None
        receiver.refuses = True
        problem = NotificationSender().send(url, HOSTILE)

    [mail] = receiver.messages
    plain = mail.get_body(("plain",))
    html = mail.get_body(("html",))
    assert mail["Subject"] == HOSTILE.title
    assert mail["To"] == "on-call@example.com"
    assert plain is None or LINK in plain.get_content()
    assert html is None or "<script>" not in html.get_content()
    assert problem == "the channel did not accept the message"


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_no_name_adds_a_header_or_a_line_to_a_message(name: str) -> None:
    message = Message(title=f"{name} failed", text=name)
    with MailReceiver() as mails, WebhookReceiver() as hooks:
        address = f"mailto://127.0.0.1:{mails.port}/?from=a@example.com&to=b@example.com&mode=insecure"
        assert NotificationSender().send(address, message) is None
        assert NotificationSender().send(hooks.url.replace("http://", "json://"), message) is None

    [mail], [delivery] = mails.messages, hooks.deliveries
    assert mail["Set-Cookie"] is None
    assert mail["Subject"].split() == f"{name} failed".split()
    assert delivery.body["message"].split() == name.split()


@pytest.fixture
def receiver() -> Any:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def notifying(storage_account: StorageAccount, receiver: WebhookReceiver, tmp_path: Path) -> Service:
    """A service with three channels: one for everything, one for a feed, one for a model's refusals."""
    values = config_yaml.values(digits=config_yaml.a_feed(), cats=config_yaml.a_feed(container="cats"))
    address = receiver.url.replace("http://", "json://").removesuffix("/events")
    values["notify"] = [
        {"url": f"{address}/all"},
        {"url": f"{address}/cats", "feeds": ["cat*"]},
        {"url": f"{address}/model", "events": ["model.refused"], "models": ["classifier"]},
    ]
    return start_service(
        storage_account.name,
        config_yaml.write(tmp_path, values),
        Clock(),
        public_url="https://tidegate.example.com",
    )


def an_activity(service: Service, subject: str, kind: str = "partition.scored") -> Notify:
    activity = Activity(
        subject=subject, id="one", kind=kind, at=service.now(), title=subject, text="Words", cause="test"
    )
    service.ledger.add_activity(activity)
    return Notify(cause="test", subject=subject, activity=activity.id)


def notify(service: Service, command: Notify) -> None:
    service.handlers[Notify](command)


def test_a_channel_receives_only_its_kinds_feeds_and_models(
    notifying: Service, receiver: WebhookReceiver
) -> None:
    about = [
        ("digits:202611", "partition.scored"),
        ("cats:202611", "partition.scored"),
        ("model:development:classifier", "model.refused"),
        ("model:development:classifier", "model.registered"),
        ("pause:feed:cats", "work.paused"),
        ("queue", "work.failed"),
    ]
    for number, (subject, kind) in enumerate(about):
        activity = Activity(
            subject=subject, id=str(number), kind=kind, at=notifying.now(), title=subject, text="t", cause="c"
        )
        notifying.ledger.add_activity(activity)
        notify(notifying, Notify(cause="c", subject=subject, activity=activity.id))

    got: dict[str, list[str]] = {}
    for delivery in receiver.deliveries:
        got.setdefault(delivery.path, []).append(delivery.body["title"])
    assert got == {
        "/all": [subject for subject, _ in about],
        "/cats": ["cats:202611", "pause:feed:cats"],
        "/model": ["model:development:classifier"],
    }


def test_a_channel_that_fails_is_tried_again_recorded_and_shown(
    notifying: Service, receiver: WebhookReceiver
) -> None:
    command = an_activity(notifying, "cats:202611")
    receiver.answers = deque([500, 200])  # the first channel fails, the second does not

    with pytest.raises(TransientError, match="1 channels did not accept"):
        notify(notifying, command)
    arm, config = ArmClient(notifying.credential), notifying.config()
    inputs = CheckInputs(service=notifying, config=config, arm=arm, assets=installed_assets())
    findings = list(connections.notifications(inputs))
    [failing] = notifying.ledger.channels()
    notify(notifying, command)
    [recovered] = notifying.ledger.channels()

    assert (failing.scheme, failing.failures) == ("json", 1)
    assert failing.failing_since == notifying.now()
    assert failing.problem == "the channel did not accept the message (HTTP 500)"
    [warning] = [finding for finding in findings if finding.state is CheckState.WARN]
    assert warning.what.startswith("notify[0] (json) did not accept the last message, since 20")
    assert (recovered.failing_since, recovered.failures) == (None, 0)
    paths = [delivery.path for delivery in receiver.deliveries]
    assert paths == ["/all", "/cats", "/all"]  # the second channel got it once


@pytest.mark.parametrize(("failing", "number", "told"), [("/cats", 1, ["/all", "/all"]), ("/all", 0, [])])
def test_the_other_channels_are_told_once_that_a_channel_fails_and_once_that_it_is_over(
    notifying: Service, receiver: WebhookReceiver, failing: str, number: int, told: list[str]
) -> None:
    clock = cast(Clock, notifying.now)
    command = an_activity(notifying, "cats:202611")
    receiver.refuses = {failing}
    for _ in range(4):
        with pytest.raises(TransientError):
            notify(notifying, command)
        clock.move(minutes=2)
    receiver.refuses = set()
    notify(notifying, command)
    clock.move(minutes=2)
    [channel] = notifying.ledger.channels()

    news = notifying.ledger.activities(channel_subject(channel.channel))
    assert [activity.kind for activity in news] == ["channel.failing", "channel.recovered"]
    assert news[0].title == f"The channel notify[{number}] (json) fails"
    assert "HTTP 500" in news[0].text
    due = {step.command for step in notifying.handlers[Reconcile](Reconcile(cause="timer-1"))}
    commands = [Notify(cause="timer-1", subject=each.subject, activity=each.id) for each in news]
    assert set(commands) <= due
    receiver.deliveries.clear()
    for each in commands:
        notify(notifying, each)
    assert [delivery.path for delivery in receiver.deliveries] == told
    assert notifying.ledger.unsent_activities() == []


def test_a_sent_activity_that_a_crash_left_among_the_unsent_ones_is_sent_once_and_leaves_them(
    notifying: Service, receiver: WebhookReceiver
) -> None:
    command = an_activity(notifying, "digits:202611")
    account = notifying.settings.storage_account
    table = table_service(account).get_table_client("tidegateOpenActivities")
    [copy] = list(table.query_entities("PartitionKey eq 'unsent'"))
    notify(notifying, command)
    table.create_entity(copy)  # as if the worker had died before it deleted this row

    notify(notifying, command)

    assert len(receiver.deliveries) == 1
    assert notifying.ledger.unsent_activities() == []


def test_links_lead_to_the_configured_address(notifying: Service, receiver: WebhookReceiver) -> None:
    notify(notifying, an_activity(notifying, "digits:202611"))

    [delivery] = receiver.deliveries
    link = delivery.body["message"].splitlines()[-1]
    assert link.startswith("https://tidegate.example.com/")
    assert link.endswith("/feeds/digits/partitions/202611")
