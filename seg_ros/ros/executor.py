"""An executor that no callback and no request ends, and services that answer whatever they are asked."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

Raised = Callable[[str, Exception], None]
"""Takes what a handler raised, and the name of the handler."""

_REST = 0.1
"""Seconds after what the executor itself raises: it may raise that for ever."""


class GuardedExecutor(SingleThreadedExecutor):
    """Goes on after what a callback, or rclpy itself, raises: it costs one call.

    rclpy's executors let it out of `spin`, though a peer can cause it. Where it is raised when a message is taken, the
    callback group would besides stay busy for ever.

    Args:
        raised: called with each exception.
    """

    def __init__(self, raised: Raised) -> None:
        super().__init__()
        self._raised = raised

    def spin(self) -> None:
        """Executes callbacks until shutdown."""
        while self.context.ok() and not self._is_shutdown:
            try:
                self.spin_once()
            except ExternalShutdownException:
                raise
            except Exception as error:
                if not self.context.ok():  # the graph went away under it
                    raise
                self._raised("executor", error)
                time.sleep(_REST)

    def _make_handler(self, entity: Any, node: Any, take_from_wait_list: Callable) -> Any:
        # The only place where rclpy (Jazzy, Kilted) puts together taking a message, its callback and the group's end.
        return super()._make_handler(entity, node, functools.partial(self._take, take_from_wait_list))

    def _take(self, take: Callable, entity: Any) -> Callable | None:
        try:
            call = take(entity)
        except Exception as error:
            self._report(entity, error)
            return None

        async def guarded() -> None:
            try:
                await call()
            except Exception as error:
                self._report(entity, error)

        return call and guarded

    def _report(self, entity: Any, error: Exception) -> None:
        if not self.context.ok():
            raise error
        self._raised(_name(entity), error)


def answer_always(service: Any, raised: Raised) -> None:
    """Makes a service refuse a request that its callback raises on, with the reason where its answer has room for it.

    So a node protects itself in any executor: rclpy's parameter services raise on values of an unknown type.
    """
    callback = service.callback

    @functools.wraps(callback)
    def answering(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:
            raised(_name(service), error)
            return _refusal(request, response, error)

    service.callback = answering


def _refusal(request: Any, response: Any, error: Exception) -> Any:
    refused = SetParametersResult(successful=False, reason=str(error)[:200])
    if isinstance(response, SetParameters.Response):  # those before it are set, and answered
        missing = len(request.parameters) - len(response.results)
        return SetParameters.Response(results=[*response.results, *[refused] * missing])
    if isinstance(response, SetParametersAtomically.Response):
        return SetParametersAtomically.Response(result=refused)
    return type(response)()


def _name(entity: Any) -> str:
    """What people know it by."""
    for attribute in ("srv_name", "topic_name"):
        if name := getattr(entity, attribute, None):
            return name
    return getattr(getattr(entity, "callback", None), "__qualname__", type(entity).__name__)
