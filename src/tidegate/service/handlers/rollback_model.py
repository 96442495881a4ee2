"""RollbackModel: make the previous champion the champion again, and restore it on its endpoint."""

from dataclasses import dataclass

from tidegate.messages.commands import AdvanceRollout, Follows, Next, RollbackModel
from tidegate.service.context import ServiceContext
from tidegate.service.steps.champion_change import ChampionChange


@dataclass(frozen=True)
class RollbackModelHandler:
    """The model's row changes first. The rollout that follows restores the deployment on the endpoint."""

    context: ServiceContext
    champion_change: ChampionChange

    def handle(self, command: RollbackModel) -> Follows:
        follows = self.champion_change.roll_back(command)
        policy, champion = (
            self.context.policy(command.model),
            self.context.ledger.model(command.model).champion,
        )
        if policy is None or policy.endpoint_rollout is None or champion is None:
            return follows
        advance = AdvanceRollout(cause=command.cause, model=command.model, version=champion.source)
        return [Next(advance), *follows]
