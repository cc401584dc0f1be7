/** bash: expansions, redirections, jobs, traps, limits. */
import { imagePath } from "../cli/cli.ts";
import { sameInOneGuest } from "./same.ts";

sameInOneGuest(imagePath("debian"), [
  `bash -c 'cat <(echo a) <(echo b) | sort -r'`,
  `bash -c 'coproc cat; echo hi >&\${COPROC[1]}; read -u \${COPROC[0]} x; echo $x'`,
  `bash -c 'shopt -s globstar; echo /etc/apt/**/*.d'`,
  `bash -c 'declare -A m=([a]=1 [b]=2); for k in "\${!m[@]}"; do echo $k \${m[$k]}; done | sort'`,
  `bash -c 'trap "echo int" INT; kill -INT $$; echo after'`,
  `sh -c 'trap "echo term; exit 3" TERM; kill -TERM $$; echo not'`,
  `bash -c 'set -m; sleep 1 & jobs; fg'`,
  `bash -c 'read -t 0.1 x < <(sleep 1); echo $?'`,
  `bash -c 'exec {fd}<>rw; echo data >&$fd; cat rw; exec {fd}>&-; echo x >&$fd'`,
  `bash -c 'printf "%(%Y)T\\n" 0; echo $BASH_VERSION $HOSTTYPE $MACHTYPE $OSTYPE $UID'`,
  `bash -c 'mapfile -t a < /etc/passwd; echo \${#a[@]} \${a[0]%%:*}'`,
  `bash -c 'false | true | exit 3; echo \${PIPESTATUS[@]}'`,
  `bash -c 'sleep 1 & (exit 7) & wait $!; echo $?; wait; echo $?'`,
  `bash -c 'kill -l; ulimit -c; ulimit -s; ulimit -f'`,
  `bash -c 'f() { local x=1; (( x++ )); echo $x; }; time f' 2>&1 | cut -c1-4`,
  `sh -c 'sleep 10 & kill $!; wait $! 2>/dev/null; echo $?'`,
  `sh -c 'kill -SEGV $$'; echo $?; sh -c 'kill -KILL $$'; echo $?`,
  `timeout 0.2 sleep 5; echo $?; timeout -s KILL 0.2 sleep 5; echo $?`,
  `sh -c 'ulimit -f 1; dd if=/dev/zero of=big bs=1k count=10; ls -s big'; echo $?`,
  `sh -c 'ulimit -t 1; while :; do :; done'; echo $?`,
  `mkfifo ff; (echo through > ff &) ; cat ff`,
  `echo x > /dev/full; echo $?; head -c 10 /dev/full | od -c`,
  `yes | head -2; cat /dev/zero | head -c 100000 | wc -c`,
  `cat /etc/nothing; ls /root/nothing; cd /etc/passwd; touch /x; mkdir /proc/x`,
  `for i in 2 0 1; do (sleep $i; echo $i) & done; wait`,
  `nohup echo hi; setsid -w echo session; nice -n 5 nice; env -i A=b env`,
  `flock l echo locked; flock -n l sh -c 'flock -n l echo no || echo busy'`,
  `script -qc 'stty size; tty | cut -c1-9; echo in script' /dev/null`,
]);
