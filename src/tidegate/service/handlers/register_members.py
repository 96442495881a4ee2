"""RegisterMembers: register the members of a champion set as models of their own, some at a time."""

from dataclasses import dataclass
from datetime import timedelta

from tidegate.domain.lifecycle.promotion import champion_source
from tidegate.domain.lifecycle.records import MemberRegistration, Model
from tidegate.domain.model_sets.assets import member_asset
from tidegate.domain.model_sets.members import MemberQuery
from tidegate.errors import PermanentError
from tidegate.log import Log
from tidegate.messages.commands import Follows, Next, RegisterMembers
from tidegate.service.context import ServiceContext
from tidegate.service.steps.set_indexes import SetIndexes

log = Log(__name__)

# Azure allows about one registration a second, and the service must not use all of them.
_AT_ONCE = 25
_PAUSE = timedelta(seconds=25)


@dataclass(frozen=True)
class RegisterMembersHandler:
    """The names are derived, so a repetition registers nothing twice. The model's row says how far it got."""

    context: ServiceContext
    indexes: SetIndexes

    def handle(self, command: RegisterMembers) -> Follows:
        policy, model = self.context.policy(command.model), self.context.ledger.model(command.model)
        each = policy is not None and policy.set is not None and policy.set.registered == "each"
        if not each or champion_source(model) != command.version or model.members_of == command.version:
            return []
        progress = model.registering
        if progress is None or progress.version != command.version:
            progress = MemberRegistration(version=command.version, at=self.context.now())
        progress, complete = self._register_some(model, progress)
        model.registering = None if complete else progress
        model.members_of = command.version if complete else model.members_of
        self.context.ledger.save(model)
        log.info("members_registered", model=model.model, version=command.version, members=progress.members)
        return [] if complete else [Next(command, _PAUSE)]

    def _register_some(self, model: Model, progress: MemberRegistration) -> tuple[MemberRegistration, bool]:
        """Register the next members, and return how far it got, and whether these were the last ones."""
        development, index = self.context.development, self.indexes.open(model.model, progress.version)
        source = development.models.find(model.model, progress.version)
        if source is None:
            raise PermanentError(f"development no longer has {model.model}:{progress.version}")
        rows = index.members(MemberQuery(), progress.after, _AT_ONCE)
        assets = [asset for row in rows if (asset := member_asset(source, row))]
        for asset in assets:
            development.models.register(asset)
        changes = {
            "after": rows[-1].position if rows else progress.after,
            "members": progress.members + len(assets),
            "at": self.context.now(),
        }
        return progress.model_copy(update=changes), len(rows) < _AT_ONCE
