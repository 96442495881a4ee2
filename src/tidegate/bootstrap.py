"""The only constructor of the service, and the table from command to handler. Connects to nothing yet."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.blobs import FeedFiles, RejectedEvents
from tidegate.cloud.channels import EventPublisher, NotificationSender
from tidegate.cloud.copies import BlobCopyClient
from tidegate.cloud.credential import ServiceCredential
from tidegate.cloud.ledger import Ledger
from tidegate.cloud.queue import WorkQueue
from tidegate.cloud.role_separation import RoleSeparation
from tidegate.cloud.workspaces import ConfiguredWorkspaces
from tidegate.config.loader import ConfigFile
from tidegate.config.schema import Config
from tidegate.log import quiet_sdks
from tidegate.messages.commands import (
    AdvanceRollout,
    CheckJob,
    CheckMonth,
    FinishMonth,
    JudgeModel,
    Notify,
    PromoteModel,
    Reconcile,
    RetrainModel,
    RollbackModel,
    ScoreMonth,
    WeighDrift,
)
from tidegate.service.handlers.advance_rollout import Rolling
from tidegate.service.handlers.check_job import Jobs
from tidegate.service.handlers.check_month import Arrival
from tidegate.service.handlers.finish_month import Finishing
from tidegate.service.handlers.judge_model import Judging
from tidegate.service.handlers.notify import Telling
from tidegate.service.handlers.promote_model import Promoting
from tidegate.service.handlers.reconcile import Upkeep
from tidegate.service.handlers.score_month import Scoring
from tidegate.service.handlers.weigh_drift import Drifting
from tidegate.service.inbox import Inbox
from tidegate.service.routing import CurrentRoutes
from tidegate.service.steps.champion_change import Succession
from tidegate.service.steps.deployment_health import Observing
from tidegate.service.steps.generation_claims import Claims
from tidegate.service.steps.missed_registrations import Registrations
from tidegate.service.steps.model_delivery import Delivering
from tidegate.service.worker import Handlers, Worker
from tidegate.settings import Settings


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the entrances need. Clients connect, and their SDKs are imported, when they are first used."""

    settings: Settings
    now: Callable[[], datetime]
    # Reads tidegate.yml again when it has changed; ConfigError says what is wrong.
    config: Callable[[], Config]
    credential: ServiceCredential
    queue: WorkQueue
    ledger: Ledger
    feeds: FeedFiles
    rejected: RejectedEvents
    workspaces: ConfiguredWorkspaces
    arrival: Arrival
    claims: Claims
    inbox: Inbox
    worker: Worker


def build(settings: Settings | None = None, *, now: Callable[[], datetime] = _utc_now) -> Service:
    """A service. ConfigError where the environment is bad; tidegate.yml is read at its first use."""
    quiet_sdks()
    settings = settings or Settings.from_env()
    config = ConfigFile(settings.config_file, settings.environ, now=now).current
    account, credential = settings.storage_account, ServiceCredential(settings.client_id)
    queue = WorkQueue(account=account, credential=credential)
    ledger = Ledger(account=account, credential=credential)
    feeds = FeedFiles(credential=credential)
    rejected = RejectedEvents(account=account, credential=credential)
    workspaces = ConfiguredWorkspaces(config=config, credential=credential)
    topic = EventPublisher(endpoint=settings.events_endpoint, credential=credential)
    arrival = Arrival(config=config, ledger=ledger, feeds=feeds, workspaces=workspaces, now=now)
    claims = Claims(config=config, ledger=ledger, workspaces=workspaces, now=now)
    scoring = Scoring(config=config, ledger=ledger, workspaces=workspaces, claims=claims, now=now)
    jobs = Jobs(config=config, ledger=ledger, workspaces=workspaces, now=now)
    finishing = Finishing(config=config, ledger=ledger, feeds=feeds, workspaces=workspaces, now=now)
    registrations = Registrations(ledger=ledger, workspaces=workspaces, now=now)
    copies = BlobCopyClient(credential=credential)
    judging = Judging(config=config, ledger=ledger, workspaces=workspaces, copies=copies, now=now)
    succession = Succession(ledger=ledger, now=now)
    promoting = Promoting(
        config=config,
        ledger=ledger,
        separation=RoleSeparation(ArmClient(credential)),
        delivering=Delivering(ledger=ledger, workspaces=workspaces, copies=copies),
        succession=succession,
        now=now,
    )
    rolling = Rolling(
        config=config,
        ledger=ledger,
        workspaces=workspaces,
        succession=succession,
        observing=Observing(workspaces=workspaces, folder=settings.config_file.parent, now=now),
        now=now,
    )
    telling = Telling(
        config=config,
        ledger=ledger,
        people=NotificationSender(),
        topic=topic,
        now=now,
        public_url=settings.public_url,
    )
    drifting = Drifting(config=config, ledger=ledger, workspaces=workspaces, now=now)
    of_models: Handlers = {
        JudgeModel: judging.judge_model,
        PromoteModel: promoting.promote_model,
        AdvanceRollout: rolling.advance_rollout,
        WeighDrift: drifting.weigh_drift,
        RetrainModel: drifting.retrain_model,
        RollbackModel: promoting.rollback_model,
    }
    handlers: Handlers = {
        CheckMonth: arrival.check_month,
        ScoreMonth: scoring.score_month,
        CheckJob: jobs.check_job,
        FinishMonth: finishing.finish_month,
        Notify: telling.notify,
        Reconcile: Upkeep(config=config, ledger=ledger, registrations=registrations, now=now).reconcile,
        **of_models,
    }
    return Service(
        settings=settings,
        now=now,
        config=config,
        credential=credential,
        queue=queue,
        ledger=ledger,
        feeds=feeds,
        rejected=rejected,
        workspaces=workspaces,
        arrival=arrival,
        claims=claims,
        inbox=Inbox(
            routes=CurrentRoutes(config, settings.check_delay),
            queue=queue,
            ledger=ledger,
            rejected=rejected,
            now=now,
        ),
        worker=Worker(handlers=handlers, queue=queue, ledger=ledger, now=now),
    )


class _OnePerProcess:
    """Built at the first call, and tried again after a failure; later calls take no lock."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._service: Service | None = None

    def __call__(self) -> Service:
        if self._service is None:
            with self._lock:
                self._service = self._service or build()
        return self._service


service = _OnePerProcess()
