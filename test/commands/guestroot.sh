# Sourced by sandbox.sh and linux.sh: what a guest of `vkernel run` has below $root, on the host's Linux.
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
hostname vkernel
