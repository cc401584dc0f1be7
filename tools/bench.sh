#!/bin/sh
# npm run bench: sets up, makes the image and the files that it compares with, and measures Debian's programs.
# Arguments go to bench/guest/programs.ts: --rounds N, --json FILE, --image FILE|NAME, names of programs.
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
exec node bench/guest/programs.ts "$@"
