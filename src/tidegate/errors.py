"""The errors of the service: the class says how a failure is handled, the message says what to do."""


class TidegateError(Exception):
    """The root of all errors that the service raises on purpose."""


class ConfigError(TidegateError):
    """A fault in tidegate.yml or in the environment: events are refused, and commands back off."""


class TransientError(TidegateError):
    """A failure that may pass, for example while Azure is busy: the command is retried for up to 24 hours."""


class ConflictError(TransientError):
    """A write that lost a race (409 or 412): the record or resource changed since it was read."""


class NotFoundError(TidegateError):
    """A resource of Azure or a record of the ledger that does not exist (404)."""


class PermanentError(TidegateError):
    """A failure that a retry cannot repair: it is recorded and announced, and a person can replay it."""


class UnreadableMessageError(TidegateError):
    """A message that this release cannot read: it is recorded, and a person can replay it later."""


class RefusedError(TidegateError):
    """A person's request that the service refuses; `status`, `title` and `detail` make its HTTP answer."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
