"""Security that is asked for and cannot be had: the node does not start in the clear instead."""

import subprocess
import sys

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from test.conftest import wait_for

ENCLAVE = "/segmentation"


@pytest.fixture
def launch(ros_env, tmp_path):
    """Starts a node that waits unconfigured, in an enclave without keys; kills it at the end."""
    (tmp_path / "enclaves" / ENCLAVE[1:]).mkdir(parents=True)
    processes = []

    def launch(name, enclave=ENCLAVE, **security):
        arguments = ["--ros-args", "-r", f"__node:={name}", "-p", "autostart:=false", "--enclave", enclave]
        env = ros_env | {"ROS_SECURITY_KEYSTORE": str(tmp_path)} | security
        command = [sys.executable, "-m", "seg_ros.cli.node", *arguments]
        processes.append(subprocess.Popen(command, env=env, text=True, stderr=subprocess.PIPE))
        return processes[-1]

    yield launch
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("enclave", [ENCLAVE, "/elsewhere"])
def test_node_without_keys_does_not_start(graph, launch, enclave):
    node = launch("secured", enclave, ROS_SECURITY_ENABLE="true", ROS_SECURITY_STRATEGY="Enforce")
    said = node.communicate(timeout=60)[1]
    assert node.returncode not in (0, None)
    assert "security" in said.lower()
    assert "secured" not in graph.client.get_node_names()


def test_it_is_the_security_that_stops_it(graph, launch):
    node = launch("open", ROS_SECURITY_ENABLE="false", ROS_SECURITY_STRATEGY="Enforce")
    wait_for(lambda: "open" in graph.client.get_node_names(), 60)
    node.terminate()
    assert node.wait(20) == 0
