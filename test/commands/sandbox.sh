#!/bin/sh
# sandbox.sh TREE QEMU COMMAND...: runs a riscv64 command of TREE on the host's Linux, through QEMU.
#
# The oracle of the command tests: the same binaries, the same read-only root with the same tmpfs mounts
# as a guest of `vkernel run`, another kernel. All in namespaces of its own: since Linux 6.7 a user
# namespace has its own binfmt_misc, so that nothing is registered on the host. QEMU must be static.
set -eu

if [ "$1" != --inside ]; then
  # A whole range of users when root may grant it, else root alone. $$ survives the exec below.
  if [ "$(id -u)" -eq 0 ]; then
    outer=$(readlink /proc/$$/ns/user)
    (
      while [ "$(readlink /proc/$$/ns/user)" = "$outer" ]; do sleep 0.01; done
      echo "0 0 65536" >/proc/$$/gid_map
      echo "0 0 65536" >/proc/$$/uid_map
    ) </dev/null >/dev/null 2>&1 &
    map=""
  else
    map=-r
  fi
  # shellcheck disable=SC2016,SC2086
  exec unshare -U $map sh -c '
    until [ "$(id -u)" -eq 0 ]; do sleep 0.01; done
    exec unshare -mpniuC --fork --kill-child sh "$0" --inside "$@"' "$0" "$@"
fi

tree=$2 qemu=$3
shift 3
root=/mnt
mount --make-rprivate /
mount --rbind "$tree" $root
mount -o remount,bind,ro $root
. "$(dirname "$0")/guestroot.sh"
ip link set lo up 2>/dev/null || true

misc=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc binfmt_misc $misc
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xf3\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf ':riscv64:M::%s:%s:%s:FP' "$magic" "$mask" "$qemu" >$misc/register
cd /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  "$(command -v chroot)" $root "$@"
