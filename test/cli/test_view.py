"""The page's node, as a user starts it."""

import signal
import subprocess

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")
pytest.importorskip("viser", reason="viser is not installed: requirements/view.txt")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_the_address_and_a_signal_ends_it_quietly(run, number):
    view = run("view", "--ros-args", "-p", "weights:=unet_street", "-p", "port:=0", stderr=subprocess.PIPE)
    assert "open http://localhost:" in view.stderr.readline()
    view.send_signal(number)
    rest = view.communicate(timeout=20)[1]
    assert view.returncode == 0
    assert "Traceback" not in rest


def test_what_is_wrong_is_one_line(run):
    view = run("view", "--ros-args", "-p", "port:=-1", stderr=subprocess.PIPE)
    said = view.communicate(timeout=20)[1]
    assert view.returncode == 1
    assert said == "view: parameter 'port': got -1, allowed: 0 to 65535\n"
