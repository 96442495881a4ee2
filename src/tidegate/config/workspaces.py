"""The section `workspaces` of tidegate.yml."""

from tidegate.config.types import (
    Filled,
    Section,
)


class WorkspaceConfig(Section):
    """An Azure ML workspace: its subscription, resource group and name."""

    subscription: Filled
    resource_group: Filled
    name: Filled

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )


class WorkspacePair(Section):
    development: WorkspaceConfig
    production: WorkspaceConfig

    def by_role(self) -> dict[str, WorkspaceConfig]:
        """Return every workspace of the installation with its role."""
        return {"development": self.development, "production": self.production}
