"""The decision about a version that Azure shares with a registry: begin, wait, begin again, or done."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ShareRunning:
    """Azure has not finished."""


@dataclass(frozen=True)
class ShareEnded:
    """Azure has finished, or no longer knows the operation."""


@dataclass(frozen=True)
class ShareFailed:
    """Azure could not share the version, for this reason."""

    reason: str


ShareState = ShareRunning | ShareEnded | ShareFailed


@dataclass(frozen=True)
class BeginShare:
    """Let Azure share the version."""


@dataclass(frozen=True)
class AwaitShare:
    """Look again later."""


@dataclass(frozen=True)
class BeginAgain:
    """The operation has failed, and the registry has no such version. Begin again after a delay."""

    reason: str


@dataclass(frozen=True)
class UnusableVersion:
    """The registry has the version in a state in which it cannot be used, and does not accept it again."""

    reason: str


@dataclass(frozen=True)
class ShareDone:
    """The registry has the version."""


ShareStep = BeginShare | AwaitShare | BeginAgain | UnusableVersion | ShareDone


def decide_share(operation: ShareState | None, version: ShareState | None) -> ShareStep:
    """Decide the next step of sharing a version.

    `operation` is None if none is recorded: none was begun, or the service stopped before it could record it.
    `version` is None if the registry has no such version.
    """
    if isinstance(operation, ShareRunning) or isinstance(version, ShareRunning):
        return AwaitShare()
    match version, operation:
        case ShareFailed(reason), _:
            return UnusableVersion(reason)
        case ShareEnded(), _:
            return ShareDone()
        case None, ShareFailed(reason):
            return BeginAgain(reason)
    return BeginShare()
