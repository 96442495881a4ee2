"""What tests against a running Tidepool share: the unmodified SDK, on a workspace of the test's own."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.support.event_grid import custom_topic, receiver, subscriber  # noqa: F401 - fixtures
from tests.support.sample_site import notes, site  # noqa: F401 - fixtures

from tidepool.cloud import Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient


@pytest.fixture(scope="session")
def ml_client(tidepool: object) -> "Callable[[str], MLClient]":
    """An MLClient for a workspace, by its name; the identity is this process's."""
    import os

    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    credential = DefaultAzureCredential()

    def connect(name: str) -> MLClient:
        return MLClient(
            credential, os.environ["AZURE_SUBSCRIPTION_ID"], os.environ["AZURE_RESOURCE_GROUP"], name
        )

    return connect


@pytest.fixture
def ml(ml_client: "Callable[[str], MLClient]", workspace: Workspace) -> "MLClient":
    """An MLClient for a workspace that nobody else uses."""
    return ml_client(workspace.name)
