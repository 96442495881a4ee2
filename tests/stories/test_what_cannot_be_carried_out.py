"""Bad configuration and poisonous messages: nothing is lost, and people hear of it."""

import json

from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from tests.support.installation import Estate, Running


def test_a_month_that_arrives_while_the_configuration_is_bad_is_scored_when_it_is_mended(
    estate: Estate,
) -> None:
    good = estate.config_file.read_text()
    estate.config_file.write_text(good.replace("starts", "begins"))
    with estate.start() as running:
        estate.upload("209901", {"a.png": "cat"})
        running.settle()
        health = running.request("GET", "/api/health")
        assert (health.status_code, "begins" in health.text) == (503, True)

        estate.config_file.write_text(good)
        estate.cloud.advance(60)  # Event Grid's next tries
        running.settle()

        assert running.scorings("209901") == {"209901-1-g1": "scored"}


def test_a_message_that_is_no_command_ends_with_people(estate: Estate, running: Running) -> None:
    url = f"https://{estate.account.name}.queue.core.windows.net"
    policy = TextBase64EncodePolicy()
    with QueueClient(
        url, "tidegate-work", credential=DefaultAzureCredential(), message_encode_policy=policy
    ) as queue:
        running.service.queue.create()
        queue.send_message('{"kind": "Dance"}', time_to_live=-1)

    for _ in range(5):
        running.settle()
        estate.cloud.advance(31)
    running.settle()

    (failure,) = running.get("/api/failures")
    told = json.dumps(estate.letters())
    assert "is no command" in told
    assert f"{running.site.url}{failure['url']}" in told
    (activity,) = running.service.ledger.activities("queue")
    assert (activity.data["message"], activity.done) == ('{"kind": "Dance"}', True)
