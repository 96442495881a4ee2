"""The error message of a run: Azure's own statement, and the log of the process that it may quote."""

import re

_MOST_OWN = 600  # characters; Azure's own statements are short
# From one of these on, a message quotes the job's own output, for example: "Execution failed. User process
# exited with status code 1. Please check log file 'user_logs/std_log.txt' for error details. Error: ...".
_QUOTE = re.compile(
    r"\bError:\s|\berror message '|User program failed with\s|Traceback \(most recent call last\)"
)


def own_statement(message: str) -> str:
    """Return what Azure itself says in a message, without the log of the job that it quotes."""
    quote = _QUOTE.search(message)
    return (message[: quote.start()] if quote else message)[:_MOST_OWN]
