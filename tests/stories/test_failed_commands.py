"""Bad configuration and poisonous messages: nothing is lost, and people hear of it."""

import json

from tests.support.azure_clients import queue_client
from tests.support.installation import Installation, Running


def test_a_month_that_arrives_while_the_configuration_is_bad_is_scored_when_it_is_mended(
    installation: Installation,
) -> None:
    good = installation.config_file.read_text()
    installation.config_file.write_text(good.replace("starts", "begins"))
    with installation.start() as running:
        installation.upload("209901", {"a.png": "cat"})
        running.settle()
        health = running.request("GET", "/api/health")
        assert (health.status_code, "begins" in health.text) == (503, True)

        installation.config_file.write_text(good)
        installation.cloud.advance(60)  # Event Grid's next tries
        running.settle()

        assert running.scorings("209901") == {"209901-1-g1": "scored"}


def test_a_message_that_is_no_command_ends_with_people(installation: Installation, running: Running) -> None:
    with queue_client(installation.account.name, "tidegate-work") as queue:
        running.service.queue.create()
        queue.send_message('{"kind": "Dance"}', time_to_live=-1)

    running.settle()

    (failure,) = running.get("/api/failures")
    told = json.dumps(installation.notifications())
    assert "no command of the kind 'Dance'" in told
    assert f"{running.site.url}{failure['url']}" in told
    (activity,) = running.service.ledger.activities("queue")
    assert (activity.data["message"], activity.done) == ('{"kind": "Dance"}', True)
