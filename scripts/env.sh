# Source me (bash or zsh): puts .venv, its messages and this checkout in front of the environment, over a sourced ROS.
# ROS=jazzy in front of the dot takes .venv-jazzy.
_root=$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")/.." && pwd -P)
_venv=$_root/.venv
if [ "${ROS:-kilted}" != kilted ]; then _venv=$_venv-$ROS; fi # as in setup.sh
_ros=$(cut -d ' ' -f 1 "$_venv/identity" 2>/dev/null) || _ros=none # "wheels", or the distribution setup found

_prepend() { # VARIABLE DIRECTORY, once, and in place of what an environment of this checkout put there before
  eval "_old=\${$1:-}"
  _old=$(printf %s "$_old" | root=$_root awk -v RS=: -v ORS=: \
    '$0 != ENVIRON["root"] && index($0, ENVIRON["root"] "/.venv") != 1')
  export "$1=$2${_old:+:${_old%:}}"
}

if [ "$_ros" = none ]; then
  echo "env.sh: ${_venv##*/} is not set up: run make setup${ROS:+ ROS=$ROS}" >&2
elif [ "$_ros" = wheels ]; then
  # A sourced ROS that setup could not use would shadow the wheels with its own rclpy.
  if [ -n "${ROS_DISTRO:-}" ]; then unset PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH; fi
  export RMW_IMPLEMENTATION=rmw_fastrtps_cpp # the only one among the wheels
elif [ "$_ros" != "${ROS_DISTRO:-}" ]; then
  echo "env.sh: ${_venv##*/} was set up with ROS $_ros: source that first, or run make setup${ROS:+ ROS=$ROS} again" >&2
  _ros=none
fi

if [ "$_ros" != none ]; then
  export VIRTUAL_ENV="$_venv"
  _prepend PATH "$_venv/bin"
  _prepend AMENT_PREFIX_PATH "$_venv"
  _prepend CMAKE_PREFIX_PATH "$_venv"
  _prepend LD_LIBRARY_PATH "$_venv/lib"
  _prepend PYTHONPATH "$_root"
  # ROS logs and compiled engines go home; where home cannot be written they stay in .venv.
  if ! mkdir -p "${ROS_LOG_DIR:-${ROS_HOME:-$HOME/.ros}/log}" 2>/dev/null; then export ROS_LOG_DIR="$_venv/log"; fi
  if ! mkdir -p "${XDG_CACHE_HOME:-$HOME/.cache}" 2>/dev/null; then export XDG_CACHE_HOME="$_venv/cache"; fi
  # Shared memory that images fit into. Each release of Fast DDS has its own variable; another environment's is in the way.
  if [ "${FASTRTPS_DEFAULT_PROFILES_FILE:-}" = "$_root/config/fastdds.xml" ]; then unset FASTRTPS_DEFAULT_PROFILES_FILE; fi
  if [ "${FASTDDS_DEFAULT_PROFILES_FILE:-}" = "$_root/config/fastdds.xml" ]; then unset FASTDDS_DEFAULT_PROFILES_FILE; fi
  eval "$(python -m seg_ros.fast_dds)"
  _shm=$(df -Pm /dev/shm 2>/dev/null | awk 'END { print int($2) }') || _shm=0
  if [ "${_shm:-0}" -lt 256 ]; then
    echo "env.sh: /dev/shm has ${_shm:-0} MB; each ROS process needs 70 MB of it, or images are lost" \
      "(docker run --shm-size=512m)" >&2
  fi
fi

unset -f _prepend
unset _root _venv _old _shm
[ "$_ros" != none ]
