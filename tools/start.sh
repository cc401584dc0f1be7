#!/bin/sh
# npm start: sets everything up, then a shell in the default guest, or the command given after --.
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh
exec node dist/cli/vkernel.js start "$@"
