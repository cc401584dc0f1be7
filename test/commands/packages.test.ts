/** dpkg, apt and what else looks at the system as a whole. */
import { imagePath } from "../cli/cli.ts";
import { sameInOneGuest } from "./same.ts";

sameInOneGuest(imagePath("debian"), [
  `dpkg -l; dpkg --audit; dpkg --print-architecture; dpkg-query -W | wc -l`,
  `dpkg -S /bin/bash; dpkg -L bash | wc -l; dpkg -s coreutils; dpkg --verify dpkg coreutils; dpkg-query -f '\${Package} \${Version}\\n' -W 'lib*'`,
  `apt list --installed 2>/dev/null; apt-cache policy bash; apt-mark showmanual | head -3; apt-config dump | wc -l`,
  `apt-get -s install bash; apt-get -s remove vim-tiny; apt-get update -o Acquire::Retries=0 2>&1 | tail -1`,
  `file /bin/ls /etc/passwd /bin/sh /usr/bin/perl; locale; less /etc/hostname; more /etc/hostname`,
  `cat /proc/self/comm /proc/self/oom_score_adj; readlink /proc/self/cwd /proc/self/root; cut -c1-26 /proc/self/limits`,
  `sysctl kernel.ostype vm.overcommit_memory; cat /proc/swaps; prlimit --stack; choom -p 1 | tail -1 | cut -d: -f2; renice -n 7 -p $$ >/dev/null; nice`,
  `vim.tiny -es -u NONE -c 'r /etc/hostname' -c 'wq! v'; cat v; printf 'a\\nb\\n' > e; ex -s e -c '1d|x'; cat e`,
  `sqlite3 x.db 'pragma journal_mode=wal; create table a(b); insert into a values(1),(2)'; for i in 3 4 5; do sqlite3 -cmd '.timeout 9000' x.db "insert into a values($i)" & done; wait; sqlite3 x.db 'select sum(b) from a; pragma integrity_check' .schema`,
  `pgrep -c sleep; sleep 5 & until pgrep -c sleep >/dev/null; do :; done; pgrep -c sleep; pkill sleep; wait; ps -o comm= -p $$; lsns --version; lscpu | head -1 | wc -l; free -h | head -1`,
]);
