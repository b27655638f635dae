#!/bin/sh
# The benchmark of fewmask on this machine's GPU: sh run.sh [--help]. Needs nothing but a shell and the GPU's driver; uses no other program of the machine.
case $0 in */*) here=${0%/*} ;; *) here=. ;; esac
here=$(CDPATH='' cd "$here" && pwd) || exit 1
# PyTorch, if it is there, is started with the machine's own libraries.
FEWMASK_HOST_LIBRARIES=${LD_LIBRARY_PATH-}
export FEWMASK_HOST_LIBRARIES
if ! "$here/bin/node" -e 0 >/dev/null 2>&1; then
  # No libstdc++ on the machine: the one that comes along.
  LD_LIBRARY_PATH=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
fi
exec "$here/bin/node" "$here/bench/launch.mjs" "$@"
