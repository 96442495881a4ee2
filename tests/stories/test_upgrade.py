"""An upgrade in the middle of a promotion: the service runs on what the previous release left."""

import base64
import json

import pytest

from tests.support.azure_clients import container_client, queue_client
from tests.support.previous_release import MESSAGES, store_ledger
from tests.support.promotions import MODEL, Promotions
from tidegate.domain.lifecycle.records import ModelState


@pytest.mark.long  # the tests of the previous release have this case without an app
def test_a_promotion_that_the_previous_release_half_did_is_ended_by_the_running_service(
    promotions: Promotions,
) -> None:
    promotions.register("7")
    store_ledger(promotions.service, promotions.account)
    container_client(promotions.account, "images").create_container()
    assert promotions.record("7").state is ModelState.PROMOTING
    promotions.copy_a_file("7")
    with queue_client(promotions.account, "tidegate-work") as queue:
        promotions.service.queue.create()
        for message in about_the_model():
            queue.send_message(base64.b64encode(message.encode()).decode(), time_to_live=-1)

    with promotions.start_app() as site:
        for _ in range(10):
            promotions.cloud.settle(60)
            if promotions.states["7"] == "champion":
                break
            promotions.cloud.advance(60)
        site.fire_timer("reconcile")
        promotions.cloud.settle(60)

    assert promotions.champions == ("7", "6", None)
    assert promotions.states == {"6": "retired", "7": "champion"}
    assert list(promotions.in_production()) == ["7"]
    told = promotions.activity_titles()
    # The other versions of the stored rows are in no workspace, and the timer says so.
    assert [title for title in told if not title.startswith("model.version_")] == [
        f"model.promoted: {MODEL}:7 is champion"
    ]


def about_the_model() -> list[str]:
    """Return the stored messages about the model and the timer's one, without the rollback by a person."""
    kinds = ("JudgeModel", "PromoteModel", "AdvanceRollout", "WeighDrift", "RetrainModel", "Reconcile")
    return [message for message in MESSAGES if json.loads(message)["kind"] in kinds]
