"""Build the service: every dependency, and the table from each command to its handler."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Lock

from tidegate.cloud.arm import ArmClient
from tidegate.cloud.blobs import FeedFiles, RejectedEvents
from tidegate.cloud.connection import THREADS, import_azure_core
from tidegate.cloud.copies import BlobCopyClient
from tidegate.cloud.credential import ServiceCredential
from tidegate.cloud.dead_letters import DeadLetterClient
from tidegate.cloud.ledger import Ledger
from tidegate.cloud.notification_sender import EventPublisher, NotificationSender
from tidegate.cloud.queue import POISON_QUEUE, WorkQueue
from tidegate.cloud.role_separation import RoleSeparation
from tidegate.cloud.workspaces import ConfiguredWorkspaces
from tidegate.config.loader import ConfigFile
from tidegate.log import Log, quiet_sdks
from tidegate.messages import commands
from tidegate.service.context import ServiceContext
from tidegate.service.event_tally import EventTally
from tidegate.service.explain import ExplainService
from tidegate.service.handlers.advance_backfill import AdvanceBackfillHandler
from tidegate.service.handlers.advance_rollout import AdvanceRolloutHandler
from tidegate.service.handlers.archive_history import ArchiveHistoryHandler
from tidegate.service.handlers.check_job import CheckJobHandler
from tidegate.service.handlers.check_partition import CheckPartitionHandler
from tidegate.service.handlers.finish_partition import FinishPartitionHandler
from tidegate.service.handlers.judge_model import JudgeModelHandler
from tidegate.service.handlers.notify import NotifyHandler
from tidegate.service.handlers.promote_model import PromoteModelHandler
from tidegate.service.handlers.reconcile import ReconcileHandler
from tidegate.service.handlers.record_event import RecordEventHandler
from tidegate.service.handlers.register_members import RegisterMembersHandler
from tidegate.service.handlers.retrain_model import RetrainModelHandler
from tidegate.service.handlers.rollback_model import RollbackModelHandler
from tidegate.service.handlers.score_partition import ScorePartitionHandler
from tidegate.service.handlers.weigh_drift import WeighDriftHandler
from tidegate.service.inbox import Inbox
from tidegate.service.job_runner import JobRunner
from tidegate.service.manual_actions.approve import ApprovalService
from tidegate.service.manual_actions.backfill import BackfillService
from tidegate.service.manual_actions.dry_run import DryRunService
from tidegate.service.manual_actions.external_verdict import ExternalVerdictService
from tidegate.service.manual_actions.pause import PauseService
from tidegate.service.manual_actions.rejudge import RejudgeService
from tidegate.service.manual_actions.replay import ReplayService
from tidegate.service.manual_actions.rerun import RerunService
from tidegate.service.manual_actions.retrain import RetrainService
from tidegate.service.overview import OverviewService
from tidegate.service.record_graphs import RecordGraphs
from tidegate.service.routing import CurrentRoutes
from tidegate.service.steps.archived_history import ArchivedHistory
from tidegate.service.steps.backfill_claims import BackfillClaims
from tidegate.service.steps.catching_up import CatchingUp
from tidegate.service.steps.champion_change import ChampionChange
from tidegate.service.steps.champion_checks import ChampionChecks
from tidegate.service.steps.content_looks import ContentLooks
from tidegate.service.steps.delayed_work import DelayedWork
from tidegate.service.steps.deployment_monitor import DeploymentMonitor
from tidegate.service.steps.feed_records import FeedRecords
from tidegate.service.steps.gate_conclusion import GateConclusion
from tidegate.service.steps.generation_claims import GenerationClaims
from tidegate.service.steps.job_limits import JobLimitChecks
from tidegate.service.steps.model_candidates import MissedRegistrations
from tidegate.service.steps.model_delivery import ModelDelivery
from tidegate.service.steps.model_presence import ModelPresence
from tidegate.service.steps.outside_files import OutsideFiles
from tidegate.service.steps.pause_gate import CurrentPauses, PauseGate
from tidegate.service.steps.set_indexes import SetIndexes
from tidegate.service.steps.set_trainings import SetTrainings
from tidegate.service.steps.set_versions import SetVersions
from tidegate.service.steps.undelivered import UndeliveredWork
from tidegate.service.steps.version_registration import VersionRegistration
from tidegate.service.steps.waiting_work import WaitingWork
from tidegate.service.worker import Handlers, Worker
from tidegate.settings import Settings

log = Log(__name__)

_utc_now = partial(datetime.now, UTC)


@dataclass(frozen=True, kw_only=True)
class Service(ServiceContext):
    """The service of one installation. Azure's SDKs are imported and clients connect at their first use."""

    settings: Settings
    credential: ServiceCredential
    queue: WorkQueue
    feeds: FeedFiles
    feed_records: FeedRecords
    rejected: RejectedEvents
    undelivered: UndeliveredWork
    inbox: Inbox
    handlers: Handlers
    worker: Worker
    reruns: RerunService
    backfills: BackfillService
    dry_runs: DryRunService
    approvals: ApprovalService
    external_verdicts: ExternalVerdictService
    rejudgings: RejudgeService
    retrainings: RetrainService
    replays: ReplayService
    pauses: PauseService
    indexes: SetIndexes
    overviews: OverviewService
    explain: ExplainService


def build(settings: Settings | None = None, *, now: Callable[[], datetime] = _utc_now) -> Service:
    """Return the service. Raise ConfigError if settings are not given and the environment has a fault."""
    import_azure_core()
    quiet_sdks()
    settings = settings or Settings.from_env()
    if settings.threads is not None and settings.threads < THREADS:
        log.warning("too_few_threads", threads=settings.threads, needed=THREADS)
    config = ConfigFile(settings.config_file, settings.environ, now=now).current
    account, credential = settings.storage_account, ServiceCredential(settings.client_id)
    context = ServiceContext(
        config=config,
        ledger=Ledger(account=account, credential=credential),
        workspaces=ConfiguredWorkspaces(config=config, credential=credential),
        now=now,
    )
    queue = WorkQueue(account=account, credential=credential)
    rejected = RejectedEvents(account=account, credential=credential)
    feeds = FeedFiles(credential=credential)
    feed_records = FeedRecords(context, feeds)
    looks = ContentLooks(context, feeds)
    versions, claims = VersionRegistration(context, feeds, feed_records, looks), GenerationClaims(context)
    waiting, pauses = WaitingWork(context.ledger, queue, now), CurrentPauses(context.ledger, now)
    gate, indexes = PauseGate(context, pauses), SetIndexes(context)
    record = RecordEventHandler(context, CurrentRoutes(config, settings.check_delay), rejected)
    tally = EventTally()
    inbox = Inbox(routes=record.routes, queue=queue, record=record.handle, now=now, tally=tally)
    undelivered = UndeliveredWork(
        DeadLetterClient(account=account, credential=credential),
        WorkQueue(account=account, credential=credential, name=POISON_QUEUE),
        inbox.accept,
        context,
    )
    check = CheckPartitionHandler(context, versions, OutsideFiles(context, feeds), tally)
    handlers: Handlers = {
        **_handlers(context, settings, credential, versions, indexes),
        commands.CheckPartition: check.handle,
        commands.Reconcile: _reconcile(context, versions, waiting, undelivered).handle,
        commands.RecordEvent: record.handle,
    }
    return Service(
        **vars(context),
        settings=settings,
        credential=credential,
        queue=queue,
        feeds=feeds,
        feed_records=feed_records,
        rejected=rejected,
        undelivered=undelivered,
        inbox=inbox,
        handlers=handlers,
        worker=Worker(handlers=handlers, queue=queue, ledger=context.ledger, now=now, gate=gate),
        reruns=RerunService(context, claims, versions, queue),
        backfills=BackfillService(context, claims, queue),
        dry_runs=DryRunService(context, claims, versions, ChampionChecks(context)),
        approvals=ApprovalService(context, queue),
        external_verdicts=ExternalVerdictService(context, queue),
        rejudgings=RejudgeService(context, queue),
        retrainings=RetrainService(context, queue, SetTrainings(context)),
        replays=ReplayService(context, queue, inbox, rejected),
        pauses=PauseService(context, queue, pauses, waiting),
        indexes=indexes,
        overviews=OverviewService(context, undelivered),
        explain=ExplainService(context, RecordGraphs(context), ArchivedHistory(context)),
    )


def _handlers(
    context: ServiceContext,
    settings: Settings,
    credential: ServiceCredential,
    versions: VersionRegistration,
    indexes: SetIndexes,
) -> Handlers:
    """Return the table from each command to the handler that carries it out."""
    copies, separation = BlobCopyClient(credential=credential), RoleSeparation(ArmClient(credential))
    sender, runner = NotificationSender(), JobRunner(context)
    publisher = EventPublisher(endpoint=settings.events_endpoint, credential=credential)
    delivery, champion = ModelDelivery(context, copies), ChampionChange(context)
    catching_up, claims = CatchingUp(context, versions.feeds), GenerationClaims(context)
    limits, sets = JobLimitChecks(context), SetTrainings(context)
    versions_of_sets = SetVersions(context, copies, indexes, sets)
    monitor = DeploymentMonitor(context, settings.config_file.parent)
    return {
        commands.ScorePartition: ScorePartitionHandler(
            context, claims, runner, catching_up, ChampionChecks(context), BackfillClaims(context, claims)
        ).handle,
        commands.AdvanceBackfill: AdvanceBackfillHandler(context, BackfillClaims(context, claims)).handle,
        commands.CheckJob: CheckJobHandler(context, runner, limits).handle,
        commands.FinishPartition: FinishPartitionHandler(context, versions, catching_up).handle,
        commands.JudgeModel: JudgeModelHandler(
            context, copies, runner, versions_of_sets, GateConclusion(context, versions_of_sets)
        ).handle,
        commands.PromoteModel: PromoteModelHandler(context, separation, delivery, champion).handle,
        commands.AdvanceRollout: AdvanceRolloutHandler(context, champion, monitor).handle,
        commands.RollbackModel: RollbackModelHandler(context, champion).handle,
        commands.WeighDrift: WeighDriftHandler(context, sets).handle,
        commands.RetrainModel: RetrainModelHandler(context, runner, sets).handle,
        commands.RegisterMembers: RegisterMembersHandler(context, runner).handle,
        commands.ArchiveHistory: ArchiveHistoryHandler(context, indexes).handle,
        commands.Notify: NotifyHandler(context, sender, publisher, settings.public_url).handle,
    }


def _reconcile(
    context: ServiceContext,
    versions: VersionRegistration,
    waiting: WaitingWork,
    undelivered: UndeliveredWork,
) -> ReconcileHandler:
    """Return the handler of the timer's command."""
    return ReconcileHandler(
        context,
        MissedRegistrations(context),
        waiting,
        JobRunner(context),
        CatchingUp(context, versions.feeds),
        JobLimitChecks(context),
        DelayedWork(context.ledger, context.now),
        undelivered,
        ModelPresence(context),
    )


class _ServiceOfProcess:
    """The service that all triggers of a process share. It is built at the first call that succeeds."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._service: Service | None = None

    def __call__(self) -> Service:
        if self._service is None:
            with self._lock:
                self._service = self._service or build()
        return self._service


service = _ServiceOfProcess()
