"""How a message is written for a channel: nothing in it formats the text, hides a link or pings a person.

Titles and texts contain names of blobs, tags and errors that others chose.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_URL = re.compile(r"https?://[^\s<>\"\\]+")
_NO_BREAK = "\u200b"  # a space without width: it ends a mention
_MARKDOWN = re.compile(r"([\\`*_~|\[\]()<>])")
_LINE_START = re.compile(r"(?m)^(\s*)([#+-]|\d+(?=[.)]))")
_SHORTENED = "... (shortened)"


@dataclass(frozen=True)
class Message:
    """A notification. `ending` has the lines that are kept if the text is too long for a channel."""

    title: str
    text: str
    ending: tuple[str, ...] = ()

    def lines(self) -> str:
        return "\n".join([self.text, *self.ending])


def written_for(message: Message, scheme: str, longest: int) -> tuple[str, str]:
    """Return the title and the text of a message for a channel, with at most `longest` characters of text.

    `scheme` is that of the channel's URL. Apprise escapes for most services: here is what it leaves out.
    """
    escape = _ESCAPES.get(scheme, str)
    ending = [escape(line) for line in message.ending]
    room = longest - len("\n".join(["", *ending]))
    return _one_line(escape(message.title)), "\n".join([_fitting(escape(message.text), room), *ending])


def _fitting(text: str, room: int) -> str:
    """Return as much of a text as fits, with a note if that is not all of it."""
    if len(text) <= room:
        return text
    kept = text[: max(room - len(_SHORTENED) - 1, 0)]
    whole_lines, newline, _ = kept.rpartition("\n")
    return f"{(whole_lines if newline else kept).rstrip(_BACKSLASH)}\n{_SHORTENED}"


_BACKSLASH = "\\"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _discord(text: str) -> str:
    """Escape Discord's markdown, and keep mentions from pinging, because Apprise allows all of them."""
    return _outside_urls(text, lambda part: _escaped(part).replace("@", f"@{_NO_BREAK}"))


def _adaptive_card(text: str) -> str:
    """Escape the markdown of an Adaptive Card. Addresses become links: Teams makes none by itself."""
    pieces = _outside_urls(text, lambda part: _escaped(part).replace("<at", f"<{_NO_BREAK}at"))
    linked = _URL.sub(lambda url: f"[{url[0]}]({url[0].replace('(', '%28').replace(')', '%29')})", pieces)
    return linked.replace("\n", "\n\n")


def _escaped(text: str) -> str:
    return _LINE_START.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\1", text))


def _outside_urls(text: str, change: Callable[[str], str]) -> str:
    """Return a text in which everything but its addresses is changed."""
    parts, end = [], 0
    for url in _URL.finditer(text):
        parts += [change(text[end : url.start()]), url[0]]
        end = url.end()
    return "".join([*parts, change(text[end:])])


_ESCAPES: dict[str, Callable[[str], str]] = {
    "discord": _discord,
    "workflow": _adaptive_card,
    "workflows": _adaptive_card,
}
