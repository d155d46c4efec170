#!/usr/bin/env bash
# Keeps beside the environment what only tests need: installed, `auto` would take TensorRT on every machine with a GPU, and
# robots need neither Ray nor a stand-in for S3. Without a folder its tests are skipped. Source scripts/env.sh first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

keep() { # FOLDER, REQUIREMENTS...
  local folder=$VIRTUAL_ENV/$1 files=("${@:2}") pins
  pins=$(cat "${files[@]}" | sha256sum)
  if [[ -f $folder/pins && $(<"$folder/pins") == "$pins" ]]; then return; fi
  rm -rf "$folder"
  echo "test: installing ${files[*]} into $folder" >&2
  if python -m pip install --disable-pip-version-check --no-deps --quiet --target "$folder" "${files[@]/#/-r}" \
    >"$VIRTUAL_ENV/$1.log" 2>&1 </dev/null; then
    echo "$pins" >"$folder/pins"
  else
    echo "test: not for this Python and processor, see $VIRTUAL_ENV/$1.log; the tests that need it are skipped" >&2
  fi
}

keep tensorrt-rtx requirements/tensorrt-rtx.txt
keep fleet requirements/ray.txt requirements/storage.txt
