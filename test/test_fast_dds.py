"""One place says which Fast DDS profile is used, to Python and to the shell."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seg_ros import fast_dds

ROOT = Path(__file__).resolve().parents[1]
OLD, NEW = "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"


@pytest.mark.parametrize(("package", "name"), [("fastrtps", OLD), ("fastdds", NEW), ("cyclonedds", NEW)])
def test_variable_of_the_installed_release(tmp_path, package, name):
    (tmp_path / "share" / package).mkdir(parents=True)
    ((variable, file),) = fast_dds.settings({"AMENT_PREFIX_PATH": f"/workspace:{tmp_path}"}).items()
    assert variable == name
    assert Path(file).samefile(ROOT / "config/fastdds.xml")


@pytest.mark.parametrize("name", [OLD, NEW])
def test_a_profile_of_the_users_own_stands(name):
    assert fast_dds.chosen({name: "/mine.xml"}) == (name, "/mine.xml")
    assert fast_dds.settings({name: "/mine.xml"}) == {}
    assert fast_dds.chosen({name: ""}) is None


def test_the_environment_of_children(monkeypatch):
    monkeypatch.delenv(OLD, raising=False)
    monkeypatch.setenv(NEW, "/mine.xml")
    assert fast_dds.environment() == dict(os.environ)
    monkeypatch.delenv(NEW)
    assert fast_dds.environment() == os.environ | fast_dds.settings()


@pytest.mark.skipif(not Path(sys.prefix, "identity").is_file(), reason="this is no environment of make setup")
@pytest.mark.parametrize("given", [{}, {OLD: "/mine.xml"}])
def test_the_shell_gets_the_same(given):
    env = {name: value for name, value in os.environ.items() if name not in (OLD, NEW)} | given
    script = f'. "{ROOT}/scripts/env.sh" >/dev/null 2>&1; echo "${OLD}|${NEW}"'
    said = subprocess.run([shutil.which("bash"), "-c", script], env=env, capture_output=True, text=True, check=True)
    expected = given | fast_dds.settings(given | {"AMENT_PREFIX_PATH": env["AMENT_PREFIX_PATH"]})
    assert said.stdout.strip() == f"{expected.get(OLD, '')}|{expected.get(NEW, '')}"
