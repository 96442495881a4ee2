"""The error message of a run: Azure's own statement, and the log of the process that it may quote."""

import re

_MOST_OWN = 600  # characters; Azure's own statements are short
_MOST_MESSAGE = 1500
_MOST_LOG = 800
# From one of these on, a message quotes the job's own output, for example: "Execution failed. User process
# exited with status code 1. Please check log file 'user_logs/std_log.txt' for error details. Error: ...".
_QUOTE = re.compile(
    r"\bError:\s|\berror message '|User program failed with\s|Traceback \(most recent call last\)"
)
_FRAME = re.compile(r'\s+File ".*", line \d+')


def own_statement(message: str) -> str:
    """Return what Azure itself says in a message, without the log of the job that it quotes."""
    quote = _QUOTE.search(message)
    return (message[: quote.start()] if quote else message)[:_MOST_OWN]


def describe_error(message: str) -> str:
    """Return the reason in a run's error message first.

    If the message quotes a log that ends with a traceback, the reason is the exception, followed by the end
    of the log. If a blank line and another statement follow the traceback, the reason is the last line,
    and the exception is added unless the last line contains its message.
    """
    quote = _QUOTE.search(message)
    if quote is None:
        return message[:_MOST_MESSAGE]
    start = quote.start() if quote[0].startswith("Traceback") else quote.end()
    lines = [line.rstrip() for line in message[start:].splitlines()]
    while lines and not any(letter.isalnum() for letter in lines[-1]):
        lines.pop()
    if not lines:
        return message[:_MOST_MESSAGE]
    last = lines[-1].strip(" |+")[:_MOST_MESSAGE]
    ending = _after_last_frame(lines)
    if not ending:
        return last
    exception = ending[0][:_MOST_MESSAGE]
    if "" not in ending:
        return f"{exception}\nThe end of its log:\n" + "\n".join(lines)[-_MOST_LOG:]
    said = exception.partition(": ")[2]
    return last if said and said in last else f"{last}\nThe last exception in its log: {exception}"


def _after_last_frame(lines: list[str]) -> list[str]:
    """Return the lines from the exception on, which follows the last frame of a traceback.

    Return an empty list if there is no traceback.
    """
    frames = [number for number, line in enumerate(lines) if _FRAME.match(line)]
    after = lines[frames[-1] + 1 :] if frames else []
    exceptions = (number for number, line in enumerate(after) if line and not line[0].isspace())
    return after[next(exceptions, len(after)) :]
