/** coreutils, findutils, grep, sed, awk, tar and compressors. */
import { imagePath } from "../cli/cli.ts";
import { sameInOneGuest } from "./same.ts";

sameInOneGuest(imagePath("debian"), [
  `ls -ln --time-style=+%s /etc/passwd; ls -la /etc/apt | awk '{print $1, $NF}'; ls -i /etc/passwd | wc -w`,
  `stat -c '%n %s %a %U %h %F' /etc/passwd /bin/sh /dev/null /tmp /etc; stat -f -c %T /tmp /proc /sys /dev/pts`,
  `id; id -Gn; whoami; groups; id nobody; getent passwd root; getent group 0; getent hosts localhost; hostname`,
  `uname -s; uname -m; uname -o; arch; getconf PAGESIZE; getconf LONG_BIT; getconf ARG_MAX; getconf CLK_TCK`,
  `date -u -d @0; TZ=America/New_York date -d @0; TZ=Europe/Paris date -d '2024-07-01 12:00 UTC'`,
  `seq 100 > s; split -l 30 s sp.; wc -l sp.*; csplit -s s 50; wc xx*; tac s | head -2; nl s | tail -1; paste s s | tail -1; shuf s | sort -n | cmp - s`,
  `sha256sum /etc/passwd; md5sum /etc/passwd; b2sum /etc/passwd; cksum /etc/passwd; base64 /etc/hostname; sum /etc/passwd`,
  `od -c /etc/hostname; fold -w 3 /etc/hostname; rev /etc/hostname; numfmt --to=iec 1048576; factor 1234567890; expr 6 '*' 7`,
  `truncate -s 1M tr; fallocate -l 2M fa; ls -s fa tr; dd if=/dev/zero of=sp bs=1 count=1 seek=1G status=none; stat -c '%s %b' sp; cp --sparse=always tr t2; du t2; cmp tr t2`,
  `touch -d 2001-01-01 o; stat -c %y o; touch -r o n; [ o -ot /etc/passwd ] && echo older; find . -mtime +1000 | sort`,
  `ln -s loop loop; cat loop; echo x > a; ln a b; stat -c %h a; mv a c; cp -a c d; ls; readlink -f b`,
  `mkdir -p d/e; mv d d/e; rmdir d; cd d/e; rm -rf ../../d; ls; touch x; cd ..; rm -rf .`,
  `mkdir -m 2755 sg; touch sg/f; stat -c %A sg; umask 077; touch um; stat -c %A um; install -m 700 /etc/hostname ins; stat -c %a ins; mknod p p; stat -c %F p`,
  `setpriv --reuid 1000 --regid 1000 --clear-groups sh -c 'id; cat /etc/shadow; ls /root; touch /etc/x; kill -9 1; touch /tmp/u; stat -c %u:%g /tmp/u; rm /tmp/u; chown 0 /tmp'`,
  `su nobody -s /bin/sh -c 'id -un; cat /etc/shadow'`,
  `find /etc -maxdepth 1 -type f -size -2k | sort; find /usr/bin -size +1M -printf '%f %s\\n' | sort; find /usr -name '*.so*' -type l | wc -l`,
  `seq 10 | xargs -P4 -I{} sh -c 'echo {}' | sort -n | tail -1; xargs -a /etc/passwd -d '\\n' -n1 echo | sed -n 1,2p; find /etc -type f | xargs wc -c | tail -1`,
  `diff -u /etc/passwd /etc/group | tail -n +3; comm -12 /etc/passwd /etc/passwd | wc -l; cmp /etc/passwd /etc/group`,
  `sort -t: -k3n /etc/passwd | head -3; sort -R /etc/passwd | wc -l; seq 200000 | sort --parallel=4 -S 1M -r | tail -1; tsort /dev/null`,
  `grep -c . /etc/passwd; grep -P '^r\\w+' /etc/passwd; grep -rl root /etc/apt /etc/pam.d | sort; grep -o 'b.n' /etc/passwd | sort | uniq -c; grep x /nothing`,
  `sed -n '/root/p;$=' /etc/passwd; sed -e '1!G;h;$!d' /etc/hostname; sed -E 's/(r)(o+)t/\\2\\1/g' /etc/passwd | head -1; cp /etc/passwd p; sed -i 1d p; head -1 p`,
  `awk 'BEGIN{print substr("hello",2,3); "date +%Y" | getline y; print y>2000; print ENVIRON["HOME"]; printf "%5.2f|%-5s|%05d\\n", 3.14159, "a", 42; print log(10), exp(1), sin(1)}'`,
  `awk -F: '{print $1 | "sort -r | head -2"}' /etc/passwd; awk '{s+=length} END{print s, NR}' /etc/services`,
  `tar cf t.tar /etc; tar tf t.tar | sort | tail -1; for z in gzip bzip2 xz zstd; do tar caf t.tar.$z -I $z -C /etc apt; mkdir x$z; tar xf t.tar.$z -C x$z; diff -r /etc/apt x$z/apt && echo same; done`,
  `mount -t tmpfs none /mnt; findmnt -n -o TARGET,FSTYPE /mnt; umount /mnt; umount /mnt; mount --bind /etc /mnt; ls /mnt/hostname; umount /mnt; mountpoint /proc /etc`,
  `tr a-z A-Z < /etc/hostname | tee a b; cat a b; stdbuf -oL cut -c1-3 a; printf '%s\\0' x y | xargs -0 -n1 | paste - -; expand -t 4 a | fmt -w 5`,
]);
