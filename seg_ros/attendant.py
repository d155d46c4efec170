"""A small process beside the node's: ends the node when it hangs, and passes on what it says to whoever reads that.

`seg_ros.runtime.attend` starts it by its path, `python -I -S attendant.py NODE PAGE SOURCE:SINK ...`, so it imports
nothing of seg_ros. NODE is the process, PAGE the file descriptor of its deadlines, as `Deadlines` describes; what comes
from a descriptor SOURCE goes to SINK.

Nothing inside the node can do this. A native call that hangs may hold Python's lock, so that no thread of Python would
notice. A timer in C would, but its time goes on while the process is stopped (SIGSTOP, a debugger, a container that is
paused), and it would end the process as soon as that goes on. And where nobody reads a pipe, or a terminal is halted
(Ctrl-S), whoever writes into it stops.
"""

from __future__ import annotations

import contextlib
import functools
import mmap
import os
import select
import signal
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterable

TICK = 0.1
"""Seconds between looks at the node."""
GRACE = 1.0
"""Seconds to print the stacks, and for the last words to be read."""
SLOT = struct.Struct("=Qd")
"""A deadline in the page: a number that no other has, 0 for none, and the seconds that it leaves."""
SLOTS = mmap.PAGESIZE // SLOT.size
_KEPT = 1 << 20
"""Bytes that wait for a slow reader; what comes then is dropped."""


class Deadlines:
    """Measures how long the node has been able to run under each of its deadlines.

    A tick counts as two at most, however late it is, as this process stands still when the machine or the container
    does; and as nothing while the node alone is stopped.
    """

    def __init__(self, page: mmap.mmap) -> None:
        self._page = page
        self._seen = [(0, 0.0)] * SLOTS

    def passed(self, seconds: float) -> float | None:
        """Adds seconds; returns the limit of a deadline that is over, if one is."""
        for i, (number, left) in enumerate(SLOT.iter_unpack(self._page[: SLOTS * SLOT.size])):
            before, ran = self._seen[i]
            ran = ran + seconds if number == before else 0.0
            self._seen[i] = number, ran
            if number and number == before and ran >= left:
                return left
        return None


class Relay:
    """Passes bytes on, and drops what the reader does not take, so that the writer never waits."""

    def __init__(self, source: int, sink: int) -> None:
        os.set_blocking(source, False)
        self.source, self.to = source, sink
        self.sink, self._send = _writer(sink)
        self.pending = bytearray()
        self.ended = False
        self._dropped = 0

    def read(self) -> None:
        """Takes what is there."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.source, 1 << 16)
            self.ended = not data
            if self._dropped or len(self.pending) + len(data) > _KEPT:
                self._dropped += len(data)
            else:
                self.pending += data

    def write(self) -> None:
        """Gives what the reader takes at once."""
        try:
            del self.pending[: self._send(bytes(self.pending[: select.PIPE_BUF]))]
        except BlockingIOError:
            return
        except OSError:  # the reader is gone
            self.pending.clear()
        if self._dropped and not self.pending:
            self.pending += b"\n[%d bytes are missing here: nobody read them in time]\n" % self._dropped
            self._dropped = 0


def _writer(sink: int) -> tuple[int, Callable[[bytes], int]]:
    """What to poll, and a function that writes to it without waiting."""
    if stat.S_ISSOCK(os.fstat(sink).st_mode):
        connection = socket.socket(fileno=os.dup(sink))
        return connection.fileno(), lambda data: connection.send(data, socket.MSG_DONTWAIT)
    # Opened anew, as the flag would change the pipe for all who share it; a pipe of another user stays as it is. A
    # terminal does not become this process's own, whose signals would then reach it.
    with contextlib.suppress(OSError):
        sink = os.open(f"/proc/self/fd/{sink}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    return sink, functools.partial(os.write, sink)


def relay(relays: Iterable[Relay], seconds: float) -> None:
    """Passes on for so many seconds."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        poll = select.poll()
        for r in relays:
            if not r.ended:
                poll.register(r.source, select.POLLIN)
            if r.pending:
                poll.register(r.sink, select.POLLOUT)
        ready = {descriptor for descriptor, _ in poll.poll(1e3 * left)}
        for r in relays:
            if r.source in ready:
                r.read()
            if r.sink in ready:
                r.write()


def stopped(process: int) -> bool:
    """Returns whether a signal or a debugger has stopped a process."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False


def end(node: int, limit: float, relays: list[Relay]) -> None:
    """Makes the node print its stacks and die, by SIGALRM; by SIGKILL where it does not within the grace."""
    text = f"Timeout: an inference has taken {limit:g} s; the process ends. The stacks of its threads:\n".encode()
    if of_stderr := [r for r in relays if r.to == sys.stderr.fileno()]:
        of_stderr[0].pending += text
    else:
        os.write(sys.stderr.fileno(), text)
    os.kill(node, signal.SIGALRM)
    due = time.monotonic() + GRACE
    while os.getppid() == node and time.monotonic() < due:
        relay(relays, TICK)
    if os.getppid() == node:
        os.kill(node, signal.SIGKILL)


def main() -> None:
    """Attends the node until it has ended."""
    node, page = int(sys.argv[1]), mmap.mmap(int(sys.argv[2]), 0, prot=mmap.PROT_READ)
    relays = [Relay(*map(int, pair.split(":"))) for pair in sys.argv[3:]]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the node
    deadlines, before = Deadlines(page), time.monotonic()
    while os.getppid() == node:
        relay(relays, TICK)
        now = time.monotonic()
        limit = deadlines.passed(0.0 if stopped(node) else min(now - before, 2 * TICK))
        before = now
        if limit is not None and os.getppid() == node:
            end(node, limit, relays)
    due = time.monotonic() + GRACE
    while not all(r.ended and not r.pending for r in relays) and time.monotonic() < due:
        relay(relays, TICK)


if __name__ == "__main__":
    main()
