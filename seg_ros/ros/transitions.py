"""Makes a node's life-cycle transitions beside its executor: the node answers while an engine is built.

rclpy calls a transition's callback where the request came, on the executor's thread, and takes its return value for the
answer. A node whose configure takes a minute would answer nothing for that long.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode
from rclpy.task import Future


class Progress(logging.Handler):
    """What a node's transition does, and for how long. `str()` is empty while none is under way."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._what, self._since, self._thread, self._line = "", 0.0, 0, ""

    def __str__(self) -> str:
        if not self._what:
            return ""
        return f"{self._what} for {time.monotonic() - self._since:.0f} s" + (self._line and f": {self._line}")

    @contextlib.contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Makes `what` under way in the block; what seg_ros logs in the block's thread is how far it is."""
        self._since, self._thread, self._line = time.monotonic(), threading.get_ident(), ""
        self._what = what
        logging.getLogger("seg_ros").addHandler(self)
        try:
            yield
        finally:
            logging.getLogger("seg_ros").removeHandler(self)
            self._what = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Takes the last line that was logged."""
        if record.thread == self._thread:  # several nodes may share a process
            self._line = record.getMessage()


class Transitions:
    """Makes a node's transitions each on a thread of its own, in any executor, and answers their requests afterwards.

    What is asked for while a transition is under way is refused, with the reason in the log: the answer has no room.

    Args:
        node: its service for transitions is taken over.
        progress: of its transitions.
    """

    def __init__(self, node: LifecycleNode, progress: Progress) -> None:
        self._node, self._progress = node, progress
        self._threads: list[threading.Thread] = []
        for service in node.services:
            if service.srv_type is ChangeState:
                self._take_over(service)

    def start(self, work: Callable[[], Any]) -> Future:
        """Starts `work` on a thread; returns what will have its result."""
        executor = self._node.executor
        future = Future(executor=executor)

        def run() -> None:
            try:
                future.set_result(work())
            except Exception as error:
                future.set_exception(error)
            executor.wake()  # it looks at the future only when it wakes

        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=run, name="transition", daemon=True))
        self._threads[-1].start()
        return future

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for what is under way. Returns False if that took over `timeout` s."""
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _take_over(self, service: Any) -> None:
        answer = service.callback

        async def answer_later(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            if under_way := str(self._progress):
                asked = request.transition.label or request.transition.id
                self._node.get_logger().warning(f"transition {asked} is refused: {under_way}; ask again after that")
                return response
            return await self.start(lambda: answer(request, response))

        # A group lets its next callback go when the last has ended, and this one ends with the transition.
        group = ReentrantCallbackGroup()
        group.add_entity(service)
        service.callback, service.callback_group = answer_later, group
