"""The executables as processes."""

import signal
import subprocess
import sys

import pytest


@pytest.fixture
def run(ros_env):
    """Starts `python -m seg_ros.cli.NAME`; what still runs at the end is ended."""
    processes = []

    def run(name, *arguments, **options):
        command = [sys.executable, "-m", f"seg_ros.cli.{name}", *map(str, arguments)]
        processes.append(subprocess.Popen(command, env=ros_env, text=True, **options))
        return processes[-1]

    yield run
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)  # gently first: a killed node stays in the graph for seconds
    for process in processes:
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
