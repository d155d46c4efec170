"""What the managed nodes share: they start by themselves, answer whatever they are asked, and say what failed."""

from __future__ import annotations

import abc
import threading
from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from seg_ros.ros.executor import answer_always
from seg_ros.ros.failures import CallbackErrors, Problem, reported
from seg_ros.ros.transitions import Progress, Transitions


class ManagedNode(LifecycleNode, abc.ABC):
    """A life-cycle node whose transitions have a thread of their own.

    Args:
        options: of `rclpy.node.Node`.

    Attributes:
        problem: what the last transition or callback failed with.
        progress: what the transition under way does.
        callback_errors: what services, and callbacks outside seg_ros, raised.
    """

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.problem, self.progress, self.callback_errors = Problem(), Progress(), CallbackErrors(self)
        self._lock = threading.RLock()  # of what takes long in a transition, nothing holds it

    def _manage(self, autostart: bool, timers: dict[Callable[[], None], float]) -> None:
        """Begins, once services and parameters are there.

        Args:
            autostart: whether it configures and activates itself as soon as the executor spins.
            timers: what is called again and again, and every how many seconds.
        """
        for service in self.services:
            answer_always(service, self.callback_errors.raised)
        self._transitions = Transitions(self, self.progress)
        # Steady, so that a simulated clock that stands still stops neither diagnostics nor start.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        for callback, period in timers.items():
            self.create_timer(period, callback, clock=steady)
        if autostart:
            self._autostart = self.create_timer(0.0, self._start, clock=steady)

    def _start(self) -> None:
        self._autostart.cancel()  # once, as soon as the executor spins

        def configure_and_activate() -> None:
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self.trigger_activate()

        self._transitions.start(configure_and_activate)

    @reported
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forgets what configure made."""
        self._free()
        self.get_logger().info("cleaned up")
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Does what cleanup does."""
        self._free()
        return TransitionCallbackReturn.SUCCESS

    @reported
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Does what cleanup does: the node is unconfigured and can be configured again."""
        self._free()
        return TransitionCallbackReturn.SUCCESS

    @abc.abstractmethod
    def _free(self, timeout: float | None = None) -> bool:
        """Ends the work, waiting `timeout` s for the frame in work, and takes the outputs off the graph.

        Returns False if the frame in work has not ended; its thread still runs then.
        """

    def release(self, timeout: float | None = None) -> bool:
        """Ends the work and frees what configure made.

        Args:
            timeout: seconds for the frame in work; a transition under way gets none of them. None: waits for both.

        Returns False if one of them has not ended; its thread still runs then.
        """
        return self._transitions.wait(None if timeout is None else 0.0) and self._free(timeout)

    @property
    def state(self) -> str:
        """Returns the life-cycle state, such as `active` or `configuring`."""
        return self._state_machine.current_state[1]

    def destroy_node(self) -> None:
        """Takes the node off the graph."""
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()  # it holds on to the node, which rclpy forgets
