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
mount -t proc proc $root/proc
mount -t sysfs sysfs $root/sys
for dir in tmp run var/tmp root; do mount -t tmpfs -o mode=1777 "$dir" $root/$dir; done
chmod 755 $root/run
chmod 700 $root/root
mount -t tmpfs -o mode=755 dev $root/dev
mkdir $root/dev/pts $root/dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts $root/dev/pts
mount -t tmpfs -o mode=1777 shm $root/dev/shm
for node in null zero full random urandom tty; do
  : >$root/dev/$node
  mount --bind /dev/$node $root/dev/$node
done
ln -s pts/ptmx $root/dev/ptmx
ln -s /proc/self/fd $root/dev/fd
for fd in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${fd%:*} $root/dev/${fd#*:}; done
ip link set lo up
hostname vkernel
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  "$(command -v chroot)" $root "$@"
