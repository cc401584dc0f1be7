#!/bin/sh
# linux.sh ROOT RESULTS COMMAND...: runs a command in ROOT, a Debian of the host's architecture, with what a
# guest has: fresh /proc, /dev, /tmp, a loopback interface that is up, and no other. RESULTS is at /results.
set -eu

if [ "$1" != --inside ]; then
  exec unshare -mpnui --fork --kill-child sh "$0" --inside "$@"
fi

root=$2 results=$3
shift 3
mount --make-rprivate /
mount --bind "$root" /mnt
root=/mnt
mkdir -p $root/results
mount --bind "$results" $root/results
. "$(dirname "$0")/../commands/guestroot.sh"
ip link set lo up
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  "$(command -v chroot)" $root "$@"
