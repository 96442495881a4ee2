"""Brings a model's files into production: copied by Azure itself, verified, registered last."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tidegate.cloud.assets import datastore_path_of
from tidegate.config.model_policy import Promote
from tidegate.domain.assets import BLOBSTORE, datastore_uri
from tidegate.domain.lifecycle.file_copy import CopyProgress, Folder, OriginalFile, files_fingerprint
from tidegate.domain.lifecycle.lineage import RegisteredModel, is_copy_of, lineage_of, lineage_tags
from tidegate.domain.lifecycle.records import ModelVersion, Promotion
from tidegate.errors import TransientError
from tidegate.service.context import ServiceContext
from tidegate.service.steps.model_candidates import files_of

if TYPE_CHECKING:
    from tidegate.cloud.copies import BlobCopyClient

_AT_ONCE = 100  # copies that one message begins: a second or two


@dataclass(frozen=True)
class Arrived:
    """Registered in production, under the same version."""


@dataclass(frozen=True)
class UnderWay:
    """`more`: there are copies still to be begun; else Azure is at work."""

    more: bool


@dataclass(frozen=True)
class Undeliverable:
    why: str


@dataclass(frozen=True)
class NotJudged:
    """Its files are not those that the verdict is about."""


Delivery = Arrived | UnderWay | Undeliverable | NotJudged


@dataclass(frozen=True)
class _Judged:
    """The files that the verdict is about, as they were listed: a copy is begun of these only."""

    folder: Folder
    originals: tuple[OriginalFile, ...]
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class ModelDelivery:
    """Looks at both ends each time and does what is missing; the ledger only hears of it."""

    context: ServiceContext
    copies: "BlobCopyClient"

    def registries(self, promote: Promote) -> list[str]:
        """The id of the registry that it goes through, where it does."""
        if promote.via != "registry" or not promote.registry:
            return []
        return [self.context.development.models.registry_id(promote.registry)]

    def deliver(self, record: ModelVersion, promotion: Promotion, promote: Promote) -> Delivery:
        """A step of the way. What came of it is noted in `promotion`, which is the record's."""
        development = self.context.development
        source = development.models.find(record.model, record.version)
        if source is None:
            return Undeliverable(f"development no longer has {record.model}:{record.version}")
        promotion.lineage = lineage_of(record, source, development.config.name)
        files = files_of(development, source.uri)
        judged = record.verdict.files if record.verdict else None
        originals = self.copies.list_files(files)
        if not originals:
            return Undeliverable(f"{source.uri} has no files")
        if judged is None or files_fingerprint(originals) != judged:
            return NotJudged()
        if promote.registry and promote.via == "registry":
            record.promotion = promotion
            return self._share(record, source, promote.registry, judged)
        return self._copy(promotion, source, _Judged(files, tuple(originals), judged))

    def _copy(self, promotion: Promotion, source: RegisteredModel, judged: _Judged) -> Delivery:
        """To a folder named by what is in it: other files never come to lie under what is registered."""
        production = self.context.production.models
        there = production.find(source.name, source.version)
        name = f"{source.name}:{source.version}"
        if there and not is_copy_of(there, promotion.lineage):
            return Undeliverable(f"production has a {name} that is no copy of it")
        leaf = judged.folder.path.rstrip("/").rpartition("/")[2]
        target = f"tidegate/models/{source.name}/{source.version}/{judged.fingerprint[:16]}/{leaf}"
        if there and datastore_path_of(there.uri)[1].rstrip("/") != target:
            return Undeliverable(f"production has {name} with other files: register these as a new version")
        transfer = self._move(judged, target)
        promotion.files, promotion.bytes = len(transfer.originals), transfer.bytes
        promotion.copied_bytes, promotion.without_md5 = transfer.copied_bytes, transfer.without_md5
        if transfer.foreign:
            return Undeliverable(f"{target} has files of somebody else: {', '.join(transfer.foreign[:5])}")
        if not transfer.complete:
            return UnderWay(more=bool(transfer.waiting))
        tags = lineage_tags(promotion.lineage)
        if there is None or dict(there.tags) != tags:
            uri = there.uri if there else datastore_uri(BLOBSTORE, target)
            production.register(replace(source, uri=uri, tags=tags))
        return Arrived()

    def _move(self, judged: _Judged, target: str) -> CopyProgress:
        """Begin what waits, and look again: small files are there at once."""
        there = self.context.production.datastores.folder(BLOBSTORE, target)
        seen = self.copies.compare(judged.originals, there)
        if not seen.waiting or seen.foreign:
            return seen
        self.copies.begin(judged.folder, there, seen.waiting[:_AT_ONCE])
        if seen.failures:  # begun again, and looked at later and later
            raise TransientError(f"copies to {there.account} failed: {'; '.join(seen.failures[:3])}")
        return self.copies.compare(judged.originals, there)

    def _share(self, record: ModelVersion, source: RegisteredModel, registry: str, judged: str) -> Delivery:
        """The claim comes before the sharing: so what is found there is known to be ours."""
        assert record.promotion is not None
        models, whole = self.context.development.models, record.promotion.lineage
        name = f"{source.name}:{source.version}"
        there = models.find(source.name, source.version, registry=registry)
        if there and not (record.shared_files or is_copy_of(there, whole)):
            return Undeliverable(f"registry {registry} has a {name} that is no copy of it")
        if there and record.shared_files not in (None, judged):
            return Undeliverable(
                f"registry {registry} has {name} with other files: register these as a new version"
            )
        if there is None:
            record.shared_files = judged
            self.context.ledger.save(record)
            models.share(source.name, source.version, registry)
            return UnderWay(more=False)
        tags = lineage_tags(whole)
        if dict(there.tags) != tags:
            models.register(replace(there, tags=tags), registry=registry)
        return Arrived()
