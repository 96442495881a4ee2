"""The limit of the size of a request's body."""

from fastapi import Request

MOST_BODY_BYTES = 64 * 1024
TOO_LARGE = f"The body is larger than {MOST_BODY_BYTES:,} bytes, which is the most that is accepted"


async def is_too_large(request: Request) -> bool:
    """Return whether the body is larger than what is accepted, also if its length is not declared.

    The Functions host has read the body before, so that reading it here takes no more memory.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > MOST_BODY_BYTES:
        return True
    return len(await request.body()) > MOST_BODY_BYTES
