"""Output that nobody reads holds nothing up; output that is read comes whole, in order, to the last word."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAD = """
import os, sys, time
from seg_ros.runtime import attend, deadline
attend()
"""
FLOOD = (
    HEAD
    + """
line = "x" * 99 + chr(10)
for _ in range(30_000):  # 3 MB each, more than pipe and attendant keep
    sys.stdout.write(line)
    sys.stderr.write(line)
"""
)


HALT, GO_ON = b"\x13", b"\x11"  # Ctrl-S, Ctrl-Q


def start(body, **outputs):
    return subprocess.Popen([sys.executable, "-c", body], **outputs)


def pair():
    return socket.socketpair()


def pipe():
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb"), os.fdopen(writer, "wb")


def test_nobody_reads():
    process = start(FLOOD, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.wait(30) == 0
    for output in process.communicate(timeout=30):
        assert output[:100] == b"x" * 99 + b"\n"
        assert len(output) < 2e6


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_whoever_reads_again_is_told_how_much_is_missing(kind):
    reader, writer = pair() if kind == "socket" else pipe()
    body = (
        FLOOD.replace("sys.stdout", "sys.stderr")
        + "print(flush=True)\nwhile True: time.sleep(0.1); os.write(2, b'late')"
    )
    process = start(body, stdout=subprocess.PIPE, stderr=writer)
    writer.close()
    process.stdout.readline()
    text = b""
    while b"late" not in text:
        text += os.read(reader.fileno(), 1 << 16)
    process.kill()
    process.communicate(timeout=30)
    reader.close()
    text = text.partition(b"late")[0]
    notice = rb"\n\[(\d+) bytes are missing here: nobody read them in time\]\n"
    missing = sum(map(int, re.findall(notice, text)))
    assert missing > 1e6
    late = missing + len(re.sub(notice, b"", text)) - 6_000_000
    assert late in range(0, 400, 4)  # on a busy machine some of it comes before anybody reads, and is missing as well


def test_a_terminal_that_is_halted_holds_nothing_up():
    user, terminal = pty.openpty()
    os.write(user, HALT)
    process = start(FLOOD, stdout=terminal, stderr=terminal)
    os.close(terminal)
    assert process.wait(30) == 0
    assert not select.select([user], [], [], 0)[0]  # it was halted
    os.write(user, GO_ON)
    assert os.read(user, 100).startswith(b"x" * 99)
    os.close(user)


def test_the_log_of_a_terminal_keeps_its_colours():
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    user, terminal = pty.openpty()
    node = [sys.executable, "-m", "seg_ros.cli.node", "--ros-args", "-p", "weights:=none"]
    process = subprocess.Popen(node, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
    os.close(terminal)
    line = os.read(user, 1 << 10)
    process.kill()
    process.wait(30)
    os.close(user)
    assert re.match(rb"\x1b\[\d+m.*starting", line)


def test_a_hang_ends_the_process_although_nobody_reads():
    process = start(FLOOD + "with deadline(0.2): time.sleep(60)", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.wait(30) == -signal.SIGALRM
    process.communicate(timeout=30)


def test_all_is_passed_on_in_order_and_to_the_last_word():
    body = (
        HEAD
        + """
for i in range(5_000):
    os.write(1 + i % 2, b"%d\\n" % i)
os.kill(os.getpid(), 9)
"""
    )
    process = start(body, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text, _ = process.communicate(timeout=30)
    assert [int(word) for word in text.split()] == list(range(5_000))
    assert process.returncode == -9


def test_a_reader_that_is_gone_is_no_trouble():
    process = start(FLOOD, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdout.close()
    assert process.wait(30) == 0


def test_files_are_written_directly(tmp_path):
    with (tmp_path / "log").open("w") as log:
        assert start(HEAD + "print(os.readlink('/proc/self/fd/1'), flush=True)", stdout=log, stderr=log).wait(30) == 0
    assert (tmp_path / "log").read_text() == f"{tmp_path / 'log'}\n"


def test_the_attendant_ends_with_the_process():
    process = start(HEAD + "print(open(f'/proc/self/task/{os.getpid()}/children').read(), flush=True); time.sleep(60)",
                    stdout=subprocess.PIPE)  # fmt: skip
    attendant = Path("/proc", process.stdout.readline().decode().strip())
    assert b"attendant.py" in (attendant / "cmdline").read_bytes()
    process.kill()
    process.communicate(timeout=30)
    end = time.monotonic() + 20
    while attendant.exists() and "Z" not in (attendant / "stat").read_text() and time.monotonic() < end:
        time.sleep(0.01)
    assert not attendant.exists() or "Z" in (attendant / "stat").read_text()
