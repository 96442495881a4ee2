"""Every error of the service; each one's docstring says what it means, its message what to do about it."""


class TidegateError(Exception):
    """Something that the service says about itself or its input."""


class ConfigError(TidegateError):
    """tidegate.yml or the environment cannot be used. Events are refused, commands back off."""


class TransientError(TidegateError):
    """Azure is away, busy or slow: the same command is tried again, later and later, for up to 24 h."""


class ConflictError(TransientError):
    """Somebody else wrote the record since it was read: look again."""


class NotThereError(TidegateError):
    """Azure or the ledger has no such thing (404)."""


class PermanentError(TidegateError):
    """Trying again cannot help: recorded and announced, and replayable by a person."""


class RefusedError(TidegateError):
    """A person's request that is understood and not carried out; `status` is that of the answer over HTTP."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail
