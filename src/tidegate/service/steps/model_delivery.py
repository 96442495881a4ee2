"""Deliver a model to production: Azure copies the files, and after their check the model is registered."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.cloud.assets import datastore_path_of
from tidegate.config.model_policy import Promote
from tidegate.domain.assets import BLOBSTORE, datastore_uri
from tidegate.domain.lifecycle.file_copy import (
    CopyProgress,
    Folder,
    OriginalFile,
    earlier_fingerprint,
    have_fingerprint,
)
from tidegate.domain.lifecycle.lineage import RegisteredModel, is_copy_of, lineage_of, lineage_tags
from tidegate.domain.lifecycle.records import ModelVersion, Promotion
from tidegate.domain.lifecycle.registry_share import (
    AwaitShare,
    BeginAgain,
    BeginShare,
    UnusableVersion,
    decide_share,
)
from tidegate.errors import TransientError
from tidegate.service.context import ServiceContext
from tidegate.service.steps.model_candidates import files_of

if TYPE_CHECKING:
    from tidegate.cloud.copies import BlobCopyClient

_COPIES_PER_COMMAND = 100  # to begin this number of copies takes a second or two


@dataclass(frozen=True)
class Delivered:
    """The version is registered in production under the same number."""


@dataclass(frozen=True)
class CopyInProgress:
    """Azure copies or shares the files. `more` means that some copies have not begun yet."""

    more: bool


@dataclass(frozen=True)
class DeliveryFailed:
    """The version cannot be delivered, for this reason."""

    reason: str


@dataclass(frozen=True)
class FilesNotJudged:
    """The version's files are not the files that were judged."""


Delivery = Delivered | CopyInProgress | DeliveryFailed | FilesNotJudged


@dataclass(frozen=True)
class _JudgedFiles:
    """The files that were judged, as they were listed. Only these are copied."""

    folder: Folder
    originals: tuple[OriginalFile, ...]
    fingerprint: str


@dataclass(frozen=True)
class ModelDelivery:
    """The steps of a delivery. Each step compares development and production, and does what is missing."""

    context: ServiceContext
    copies: "BlobCopyClient"

    def registries(self, promote: Promote) -> list[str]:
        """Return the id of the registry that the model is shared through, if there is one."""
        if promote.via != "registry" or not promote.registry:
            return []
        return [self.context.development.models.registry_id(promote.registry)]

    def deliver(self, record: ModelVersion, promotion: Promotion, promote: Promote) -> Delivery:
        """Do the next step of a delivery, and note its figures and lineage in `promotion`."""
        development = self.context.development
        source = development.models.find(record.model, record.version)
        if source is None:
            return DeliveryFailed(f"development no longer has {record.model}:{record.version}")
        promotion.lineage = lineage_of(record, source, development.config.name)
        folder = files_of(development, source.uri)
        judged = record.verdict.files if record.verdict else None
        originals = self.copies.list_files(folder)
        if not originals:
            return DeliveryFailed(f"{source.uri} has no files")
        if judged is None or not have_fingerprint(originals, judged):
            return FilesNotJudged()
        if promote.registry and promote.via == "registry":
            record.promotion = promotion
            return self._share(record, source, promote.registry, judged)
        return self._copy(promotion, source, _JudgedFiles(folder, tuple(originals), judged))

    def _copy(self, promotion: Promotion, source: RegisteredModel, judged: _JudgedFiles) -> Delivery:
        """Copy the files to a folder that is named by their fingerprint, and then register the model.

        So a registered model never gets other files.
        """
        models, name = self.context.production.models, f"{source.name}:{source.version}"
        existing = models.find(source.name, source.version)
        if existing and not is_copy_of(existing, promotion.lineage):
            return DeliveryFailed(f"production has a {name} that is not a copy of it")
        target = _target(source, judged, judged.fingerprint)
        if existing and (path := datastore_path_of(existing.uri)[1].rstrip("/")) != target:
            target = _target(source, judged, earlier_fingerprint(judged.originals))
            if path != target:
                other = f"production has {name} with other files: register these as a new version"
                return DeliveryFailed(other)
        progress = self._copy_files(judged, target)
        promotion.files, promotion.bytes = len(progress.originals), progress.bytes
        promotion.copied_bytes, promotion.without_md5 = progress.copied_bytes, progress.without_md5
        if progress.foreign:
            files = ", ".join(progress.foreign[:5])
            return DeliveryFailed(f"{target} has files that do not belong to the model: {files}")
        if not progress.complete:
            return CopyInProgress(more=bool(progress.waiting))
        tags = lineage_tags(promotion.lineage)
        if existing is None or dict(existing.tags) != tags:
            uri = existing.uri if existing else datastore_uri(BLOBSTORE, target)
            models.register(replace(source, uri=uri, tags=tags))
        return Delivered()

    def _copy_files(self, judged: _JudgedFiles, target: str) -> CopyProgress:
        """Begin copies that are not begun, and compare again, because small files are copied at once."""
        folder = self.context.production.datastores.folder(BLOBSTORE, target)
        progress = self.copies.compare(judged.originals, folder)
        if not progress.waiting or progress.foreign:
            return progress
        self.copies.begin(judged.folder, folder, progress.waiting[:_COPIES_PER_COMMAND])
        if progress.failures:  # these copies are begun again, after a growing delay
            raise TransientError(f"copies to {folder.account} failed: {'; '.join(progress.failures[:3])}")
        return self.copies.compare(judged.originals, folder)

    def _share(self, record: ModelVersion, source: RegisteredModel, registry: str, judged: str) -> Delivery:
        """Do the next step of sharing the model through a registry.

        The ledger first notes which files are shared, so that a model in the registry is known to be the
        service's own copy. The operation is noted after it has begun: if that gets lost, it is begun again,
        which Azure refuses as long as the first one is under way.
        """
        assert record.promotion is not None
        promotion, shares = record.promotion, self.context.development.shares
        models, name = self.context.development.models, f"{source.name}:{source.version}"
        existing = models.find(source.name, source.version, registry=registry)
        if existing and not (record.shared_files or is_copy_of(existing, promotion.lineage)):
            return DeliveryFailed(f"registry {registry} has a {name} that is not a copy of it")
        if existing and record.shared_files not in (None, judged):
            return DeliveryFailed(
                f"registry {registry} has {name} with other files: register these as a new version"
            )
        operation = shares.operation(promotion.operation) if promotion.operation else None
        version = shares.version(source.name, source.version, registry) if existing else None
        match decide_share(operation, version):
            case AwaitShare():
                return CopyInProgress(more=False)
            case UnusableVersion(reason):
                return DeliveryFailed(f"{name} in registry {registry} cannot be used: {reason}")
            case BeginAgain(reason):
                promotion.operation = None
                self.context.ledger.save(record)
                raise TransientError(f"Azure did not share {name} with registry {registry}: {reason}")
            case BeginShare():
                record.shared_files = judged
                self.context.ledger.save(record)
                promotion.operation = shares.begin(source.name, source.version, registry)
                return CopyInProgress(more=False)
        assert existing is not None
        tags = lineage_tags(promotion.lineage)
        if dict(existing.tags) != tags:
            models.register(replace(existing, tags=tags), registry=registry)
        return Delivered()


def _target(source: RegisteredModel, judged: _JudgedFiles, fingerprint: str) -> str:
    """Return the folder of a copy in production."""
    leaf = judged.folder.path.rstrip("/").rpartition("/")[2]
    return f"tidegate/models/{source.name}/{source.version}/{fingerprint[:16]}/{leaf}"
