"""What Azure's permissions allow together."""

import pytest

from tidegate.cloud.roles import Permissions

JOBS = "Microsoft.MachineLearningServices/workspaces/jobs/write"
COMPUTES = "Microsoft.MachineLearningServices/workspaces/computes/write"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
SCIENTIST = {
    "actions": ["Microsoft.MachineLearningServices/workspaces/*/write"],
    "notActions": ["Microsoft.MachineLearningServices/workspaces/computes/*/write", COMPUTES],
    "dataActions": [],
    "notDataActions": [],
}
OPERATOR = {"actions": ["microsoft.machinelearningservices/workspaces/computes/*"]}
OWNER = {"actions": ["*"], "dataActions": []}
READER = {"actions": ["*/read"], "dataActions": ["Microsoft.Storage/*/blobs/read"], "notDataActions": None}


@pytest.mark.parametrize(
    ("roles", "action", "allowed"),
    [
        ([], JOBS, False),
        ([SCIENTIST], JOBS, True),
        ([SCIENTIST], COMPUTES, False),
        ([SCIENTIST, OPERATOR], COMPUTES, True),
    ],
)
def test_an_exception_holds_for_its_own_role_only(
    roles: list[dict[str, object]], action: str, allowed: bool
) -> None:
    assert Permissions(roles).allow(action) is allowed


@pytest.mark.parametrize(("roles", "allowed"), [([SCIENTIST], False), ([READER], True), ([OWNER], False)])
def test_data_needs_a_role_that_names_data(roles: list[dict[str, object]], allowed: bool) -> None:
    assert Permissions(roles).allow(BLOBS, data=True) is allowed


def test_reading_data_is_no_action_of_the_control_plane() -> None:
    reads_blobs = {"actions": [], "dataActions": ["Microsoft.Storage/*/blobs/read"]}

    assert not Permissions([reads_blobs]).allow(BLOBS)
