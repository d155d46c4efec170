#!/usr/bin/env bash
# Makes .venv ready: torch and friends, ROS 2, and the messages of seg_ros_msgs. Safe to repeat; needs no root.
#
# ROS is the sourced one when there is one that python can import; otherwise it comes as wheels, which make .venv itself
# an ament prefix. They are Kilted's. ROS=jazzy makes a second environment ready, .venv-jazzy, with Jazzy's.
# PYTHON=/path/to/python chooses the interpreter.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
distribution=${ROS:-kilted}
venv=$root/.venv
if [[ $distribution != kilted ]]; then venv+=-$distribution; fi # as in env.sh
log=$venv/setup.log stamp=$venv/stamp identity=$venv/identity
started=$SECONDS
cd "$root"

say() { echo "$*" >&2; }
die() { say "setup: $*"; exit 1; }

if [[ ! -f requirements/ros-$distribution.txt ]]; then
  known=$(cd requirements && echo ros-*.txt)
  known=${known//ros-/}
  die "ROS=$distribution is unknown: choose one of ${known//.txt/}"
fi
for other in "$root"/.venv*/bin; do PATH=${PATH//"$other:"/}; done # an activated .venv must not be asked to rebuild itself
sourced=${ROS_DISTRO:-}
if [[ -n ${ROS:-} && $ROS != "$sourced" ]]; then sourced=''; fi

# What is behind a link belongs to another checkout, whose environment would be cleared.
if [[ -L $venv ]]; then die "$venv is a symbolic link to $(readlink "$venv"): remove it, and run make setup again"; fi

# --- Nothing to do? The stamp is written last, so an interrupted run is done again.

exec 9<"$root" # two makes in one checkout take turns
if command -v flock >/dev/null; then flock 9; fi

fingerprint() {
  echo "$root $sourced $kept"
  find requirements seg_ros_msgs scripts/setup.sh -type f -print0 | sort -z | xargs -0 sha256sum
}
# An existing .venv keeps its interpreter, unless PYTHON names another.
kept=$(readlink -f "$venv/bin/python" 2>/dev/null) || kept=''
if [[ -n ${PYTHON:-} ]]; then
  asked=$("$PYTHON" -c 'import os, sys; print(os.path.realpath(sys.executable))' 2>/dev/null </dev/null) || asked=none
  [[ $asked == "$kept" ]] || kept=''
fi
if [[ -n $kept && -f $stamp && $(<"$stamp") == "$(fingerprint | sha256sum)" ]]; then exit 0; fi
rm -f "$stamp"

# --- Preflight: everything that could be missing is named before anything is downloaded.

missing=()
for tool in gcc g++ cmake make; do
  command -v $tool >/dev/null || missing+=($tool)
done
((${#missing[@]} == 0)) || die "missing: ${missing[*]} (apt install ${missing[*]})"

# One line about an interpreter: version, then what it lacks. Its failure (a pyenv shim, say) means it is no candidate.
probe='
import importlib.util, os, sys, sysconfig
header = os.path.join(sysconfig.get_path("include"), "Python.h")
print(int((3, 11) <= sys.version_info[:2] <= (3, 13)), "%d.%d" % sys.version_info[:2], sys.version.split()[0],
      int(importlib.util.find_spec("ensurepip") is not None), int(os.path.exists(header)))'
ros=wheels python='' seen=''
for candidate in ${PYTHON:-$kept python3 python3.13 python3.12 python3.11 /usr/bin/python3}; do
  facts=$("$candidate" -c "$probe" 2>/dev/null </dev/null) || continue
  read -r fits minor version venv_module headers <<<"$facts"
  seen+="${seen:+, }$candidate is $version"
  ((fits)) || continue
  if [[ -z $python ]]; then python=$candidate chosen=$facts; fi
  if [[ -n $sourced ]] && "$candidate" -c 'import rclpy' 2>/dev/null </dev/null; then
    ros=$sourced python=$candidate chosen=$facts
    break
  fi
done
[[ -n $python ]] || die "missing: Python 3.11 to 3.13 (${seen:-no ${PYTHON:-python3} found};" \
  "apt install python3 python3-venv python3-dev, or set PYTHON)"
read -r _ minor version venv_module headers <<<"$chosen"
((venv_module)) || die "missing: the venv module of $python $version (apt install python$minor-venv)"
((headers)) || die "missing: Python.h of $python $version (apt install python$minor-dev)"

need=6
if compgen -G "$venv/lib/python*/site-packages/torch" >/dev/null; then need=3; fi
free=$(df -Pk "$root" | awk 'END { print int($4 / 1048576) }')
((free >= need)) || die "missing: disk space, $need GB are needed and $free GB are free in $root"

say "[1/5] python $version, ROS 2 $([[ $ros == wheels ]] && echo "$distribution from wheels" || echo "from the sourced $ros")"
if [[ $ros == wheels && -n $sourced ]]; then
  say "      the sourced $sourced is left out: Python 3.11 to 3.13 cannot import its rclpy"
elif [[ $ros == wheels && -n ${ROS_DISTRO:-} ]]; then
  say "      the sourced $ROS_DISTRO is left out: ROS=$ROS asks for another"
fi

# --- The environment. One made by another Python, for another ROS or at another path starts afresh.

me="$ros $version $root" # env.sh reads the first word
fresh=()
if [[ -f $identity && $(<"$identity") != "$me" ]]; then fresh=(--clear); fi
if [[ $ros != wheels ]]; then fresh+=(--system-site-packages); fi
say "[2/5] ${venv##*/}"
"$python" -m venv "${fresh[@]}" "$venv" >&2
echo "$me" >"$identity"
: >"$log"

# Runs a step with its output in the log; shows the end of it only when it fails.
logged() {
  local what=$1
  shift
  if "$@" >>"$log" 2>&1 </dev/null; then return; fi
  grep -v '^WARNING: Location .* is ignored' "$log" | tail -n 15 >&2
  die "$what failed; the whole log is $log"
}

# pip, with the names and sizes of large downloads as progress.
install() {
  "$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off -r "$1" 2>&1 </dev/null |
    tee -a "$log" | sed -un 's#^ *Downloading \(.*/\)\?\([^/]*\.whl\) (\(.*[MG]B\)).*#      \2 (\3)#p' >&2
}

if [[ $ros == wheels ]]; then unset PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH; fi
files=(core openvino onnx bags remote view dev)
if [[ $ros == wheels ]]; then files=(core openvino onnx bags remote view "ros-$distribution" dev); fi
for file in "${files[@]}"; do
  say "[3/5] requirements/$file.txt"
  if ! install "requirements/$file.txt"; then
    tail -n 15 "$log" >&2
    die "pip install -r requirements/$file.txt failed; the whole log is $log"
  fi
done

# What `evaluate --tracks` compares with is kept beside the environment, for it asks for another build of OpenCV.
rm -rf "$venv/tracking"
"$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --target "$venv/tracking" \
  -r requirements/tracking.txt >>"$log" 2>&1 </dev/null ||
  say "      no TrackEval for this Python here; the tests that score tracks are skipped"

# --- The messages, into .venv as an ament prefix.

say "[4/5] seg_ros_msgs"
export VIRTUAL_ENV=$venv PATH="$venv/bin:$PATH"
export AMENT_PREFIX_PATH="$venv${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
export CMAKE_PREFIX_PATH="$venv${CMAKE_PREFIX_PATH:+:$CMAKE_PREFIX_PATH}"
if [[ $ros == wheels ]]; then
  # The wheels' CMake exports name the headers of the machine that built them.
  include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  { grep -rlZ --include='*.cmake' /opt/python/cp "$venv/share" || true; } | xargs -0 -r sed -Ei \
    -e "s#/opt/python/cp[^/]+/include/python3\.[0-9]+#$include#g" \
    -e "s#/opt/python/cp[^/]+/lib/python3\.[0-9]+/site-packages#$site#g"
fi
base=$venv/build
rm -rf "$base" # 20 seconds, against a cache that may name a Python or a ROS that is gone
logged "building seg_ros_msgs" "$venv/bin/colcon" --log-base "$base/log" build --base-paths seg_ros_msgs \
  --build-base "$base" --merge-install --install-base "$venv" --cmake-args -DCMAKE_BUILD_TYPE=Release \
  -DBUILD_TESTING=OFF -DPython3_EXECUTABLE="$venv/bin/python" -DPython3_FIND_VIRTUALENV=ONLY
# A colcon workspace built on top looks for this name, to chain it in front of its own setup.bash.
echo "ROS='$distribution' . '$root/scripts/env.sh'" >"$venv/local_setup.bash"

logged "the final check" bash -c '. scripts/env.sh && python -c "
import cv2, rclpy, safetensors, torch
from seg_ros_msgs.msg import InstanceMaskArray
InstanceMaskArray.__class__.__import_type_support__()"'
kept=$(readlink -f "$venv/bin/python")
fingerprint | sha256sum >"$stamp"
say "[5/5] ready after $((SECONDS - started)) s"
