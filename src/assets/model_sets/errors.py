"""The errors of model sets. Each message says what is wrong, where, and with which key."""


class SetError(ValueError):
    """A model set, or a table for one, that cannot be used."""


class CorruptIndexError(SetError):
    """An index that is missing, cannot be read, or does not match its hash."""


class CorruptShardError(SetError):
    """A shard that is missing or truncated, or an entry of it that does not match its hash."""


class UnknownKeyError(SetError):
    """A key that the set does not have."""


class NoMemberError(SetError):
    """A key of the set without a member. The message is the reason."""


class TableError(SetError):
    """A table that does not fit. The message names the file or the column."""
