#!/usr/bin/env bash
# Run a command on a busy machine: tests/busy.sh make test
#
# Beside it, for the whole time and at its priority, two processes multiply matrices on all cores, and two copy arrays
# of a quarter of a gigabyte, which fill what the cores share: the caches and the way to the memory.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-.venv/bin/python}
"$python" -c 'import numpy'  # or the command would run beside nothing

multiply='import numpy as np
a = np.random.rand(1500, 1500).astype(np.float32)
while True: a @ a'
copy='import numpy as np
a = np.zeros(1 << 28, np.uint8); b = a.copy()
while True: np.copyto(b, a)'

load=()
trap 'kill "${load[@]}"; wait 2>/dev/null' EXIT
for work in "$multiply" "$multiply" "$copy" "$copy"; do
  "$python" -c "$work" &
  load+=($!)
done
"$@"
