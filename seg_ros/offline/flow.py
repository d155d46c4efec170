"""Lets the stages of a pipeline overlap: on threads of their own, in order, with few items between them."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_background(items: Iterable[T], depth: int) -> Iterator[T]:
    """Yields the items of an iterable that is run on another thread, up to `depth` items ahead.

    What it raises is raised here, after the items before it. Whoever stops early ends the thread.
    """
    ahead: queue.Queue = queue.Queue(depth)
    over = threading.Event()
    end = object()

    def put(item: object) -> bool:
        while not over.is_set():
            try:
                ahead.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def run() -> None:
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((end, None))
        except BaseException as error:
            put((end, error))

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ahead.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        over.set()
        thread.join()


def mapped(function: Callable[[T], R], items: Iterable[T], threads: int, depth: int) -> Iterator[R]:
    """Yields `function(item)` of each item in order, computed by threads up to `depth` items ahead."""
    with ThreadPoolExecutor(threads, thread_name_prefix="map") as pool:
        waiting: deque[Future] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
