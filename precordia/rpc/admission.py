"""Which calls come in: who may call, and whether the server takes calls now."""

from __future__ import annotations

import asyncio
import contextlib
import hmac

from precordia.errors import ServiceUnavailable, Unauthenticated

_HEALTH = "/grpc.health.v1.Health/"
_INFRASTRUCTURE = (_HEALTH, "/grpc.reflection.")


class Admission:
    """The door of one server. Health checks always pass; reflection passes before it serves, too.

    Args:
        token: what callers must show as bearer; empty = nothing.
    """

    def __init__(self, token: str = "") -> None:
        self._token = token.encode()
        self._open = False
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = asyncio.Event()
        """Set once the server wants to stop: streams that wait for news end then."""

    def open(self) -> None:
        """Let calls in."""
        self._open = True

    async def drain(self, grace_s: float) -> None:
        """Let none in any more, end the watches, and wait for the others."""
        self._open = False
        self.draining.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._idle.wait()

    def check(self, method: str, authorization: str) -> None:
        """Refuse who may not call, or when it is not the time.

        Raises:
            Unauthenticated: no token, or another one.
            ServiceUnavailable: the service is starting or stopping.
        """
        if method.startswith(_HEALTH):
            return
        if self._token and not hmac.compare_digest(authorization.encode(), b"Bearer " + self._token):
            raise Unauthenticated("This service wants its token: send metadata authorization: Bearer TOKEN.")
        if not self._open and not method.startswith(_INFRASTRUCTURE):
            doing = "stopping" if self.draining.is_set() else "starting"
            raise ServiceUnavailable(f"The service is {doing}; try again shortly.")

    def counted(self, method: str) -> contextlib.AbstractContextManager[None]:
        """Mark a call as work in progress that a drain waits for."""
        if is_watch(method) or method.startswith(_INFRASTRUCTURE):
            return contextlib.nullcontext()
        return _Counted(self)

    def _enter(self) -> None:
        self._active += 1
        self._idle.clear()

    def _leave(self) -> None:
        self._active -= 1
        if not self._active:
            self._idle.set()


class _Counted(contextlib.AbstractContextManager[None]):
    """One call; a class, since a generator costs every call several times as much."""

    __slots__ = ("_admission",)

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def __enter__(self) -> None:
        self._admission._enter()

    def __exit__(self, *_: object) -> None:
        self._admission._leave()


def is_watch(method: str) -> bool:
    """Streams that end only when there is no more news: their method is named Watch..."""
    return method.rpartition("/")[2].startswith("Watch")
