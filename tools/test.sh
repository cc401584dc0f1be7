#!/bin/sh
# npm test: sets up, installs what the tests compare with, then checks and runs all tests.
# With arguments: only those test files.
set -eu
cd "$(dirname "$0")/.."
. tools/setup.sh

# program:package pairs; every one is an oracle or builds the guest's test programs.
missing=""
for pair in riscv64-linux-gnu-gcc:gcc-riscv64-linux-gnu qemu-riscv64:qemu-user qemu-riscv64-static:qemu-user-static gcc:gcc \
  mke2fs:e2fsprogs debugfs:e2fsprogs e2fsck:e2fsprogs xz:xz-utils gpgv:gpgv gpg:gnupg \
  python3:python3 flock:util-linux qemu-img:qemu-utils sfdisk:fdisk xorriso:xorriso genisoimage:genisoimage isoinfo:genisoimage; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair##*:}"
done
[ -e /usr/riscv64-linux-gnu/include/stdio.h ] || missing="$missing libc6-dev-riscv64-cross"
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
if [ -n "$missing" ]; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    echo "vkernel: installing$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing; } >&2
  else
    echo "vkernel: the tests need:$missing (apt-get install them, or run as root)" >&2
    exit 1
  fi
fi

if [ $# -gt 0 ]; then
  exec node --test "$@"
fi
npm run --silent check
node dist/cli/vkernel.js image build minimal
node dist/cli/vkernel.js image build debian
node dist/cli/vkernel.js image build cpython --from debian --include libpython3.13-testsuite
node dist/cli/vkernel.js image build sysvinit
exec node --test --test-concurrency=2 'test/**/*.test.ts'
