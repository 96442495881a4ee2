"""Whatever is announced, sent and replayed in whatever order: what is open is listed as open."""

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule
from tests.support.clock import Clock

from tidegate.bootstrap import Service
from tidegate.domain.activities.activity import Activity
from tidegate.errors import ConflictError


def machine_of(service: Service) -> type[RuleBasedStateMachine]:
    class Activities(RuleBasedStateMachine):
        """Activities of a subject of its own. A held activity is a copy that a worker has read before."""

        held = Bundle("held")
        subjects = 0

        def __init__(self) -> None:
            super().__init__()
            Activities.subjects += 1
            self.subject = f"subject-{Activities.subjects}"
            self.clock = Clock()

        @rule(id=st.sampled_from("abc"), failed=st.booleans())
        def announce(self, id: str, failed: bool) -> None:
            self.clock.move(seconds=1)
            activity = Activity(
                subject=self.subject,
                id=f"{id}-failed" if failed else id,
                kind="work.failed" if failed else "partition.scored",
                at=self.clock.now,
                title="t",
                text="t",
                cause="c",
            )
            add = service.ledger.add_failure if failed else service.ledger.add_activity
            add(activity)

        @rule(target=held, number=st.integers(0, 9))
        def read(self, number: int) -> Activity | None:
            known = service.ledger.activities(self.subject)
            return known[number % len(known)] if known else None

        @rule(activity=held)
        def deliver(self, activity: Activity | None) -> None:
            self._save(activity, done=True)

        @rule(activity=held)
        def replay(self, activity: Activity | None) -> None:
            if activity and activity.failed:
                self._save(activity, replayed_at=self.clock.now + timedelta(hours=1))

        def _save(self, activity: Activity | None, **changes: object) -> None:
            """Save a copy as a worker does. Of two workers that have read the same, the second is refused."""
            if activity is None:
                return
            current = service.ledger.activity(self.subject, activity.id)
            changed = activity.model_copy(update=changes)
            try:
                service.ledger.save(changed)
            except ConflictError:
                assert current is None or current.etag != activity.etag
            else:
                assert current is not None
                assert current.etag == activity.etag

        @invariant()
        def open_activities_are_those_that_are_open(self) -> None:
            known = service.ledger.activities(self.subject)
            unsent = {each.id for each in service.ledger.unsent_activities() if each.subject == self.subject}
            failures = {each.id for each in service.ledger.open_failures() if each.subject == self.subject}
            assert unsent == {each.id for each in known if not each.done}
            assert failures == {each.id for each in known if each.failed and each.ended_at is None}

    return Activities


def test_open_activities_are_listed_whatever_happens_in_whatever_order(service: Service) -> None:
    case = machine_of(service).TestCase
    case.settings = settings(max_examples=8, stateful_step_count=10, deadline=None, database=None)

    case("runTest").runTest()
