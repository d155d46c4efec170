"""A mailbox of one item for each camera, the newest, and the thread that empties them in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class NewestFirst(Generic[K, T]):
    """Calls `work` with the newest item of each key on a thread of its own; older ones that still wait are dropped.

    Keys take turns: one that was served goes behind those that wait, however fast its items come.

    Args:
        work: called with up to `batch` pairs of key and item, of different keys. What it raises reaches `failed`;
            the thread lives on.
        dropped: called with the key when an item is replaced by a newer one, or by `stop`, before its turn.
        failed: called with the pairs and the exception that `work` raised.
        begin: called on the thread before the first item.
        batch: most pairs of one call.
    """

    def __init__(
        self,
        work: Callable[[list[tuple[K, T]]], None],
        dropped: Callable[[K], None],
        failed: Callable[[list[tuple[K, T]], Exception], None],
        begin: Callable[[], None] = lambda: None,
        batch: int = 1,
    ) -> None:
        self._work, self._dropped, self._failed, self._begin, self._batch = work, dropped, failed, begin, batch
        self._pending: dict[K, T] = {}  # in the order of their turns: replacing a value keeps its place
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="inference", daemon=True)
        self._thread.start()

    def put(self, key: K, item: T) -> None:
        """Makes `item` the pending one of `key`. Returns at once."""
        with self._changed:
            replaced = key in self._pending
            self._pending[key] = item
            self._changed.notify()
        if replaced:
            self._dropped(key)
        # Hands Python's lock over to the thread that was woken. Otherwise it waits until this one next does: with an
        # executor 0.45 ms, and so 0.04.
        time.sleep(0)

    def stop(self, timeout: float | None = None) -> bool:
        """Lets what is in work finish, drops what is pending. Returns False if that took over `timeout` s."""
        with self._changed:
            self._stopping = True
            forgotten, self._pending = list(self._pending), {}
            self._changed.notify()
        for key in forgotten:
            self._dropped(key)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._begin()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._stopping)
                if self._stopping:
                    return
                turn = list(self._pending)[: self._batch]
                items = [(key, self._pending.pop(key)) for key in turn]
            try:
                self._work(items)
            except Exception as error:
                self._failed(items, error)
