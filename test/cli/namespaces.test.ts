/** util-linux's and iproute2's programs for name spaces: what they print on a Debian with Linux, but for numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { imagePath, vkernel } from "./cli.ts";

function inGuest(script: string): string[] {
  const r = vkernel(["run", "-m", "512m", imagePath("debian"), "--", "sh", "-c", script]);
  return (r.stdout + r.stderr).trimEnd().split("\n");
}

test("a sandbox of all kinds: its own numbers, users, names and mounts", () => {
  const lines = inGuest(`
unshare -Urmpfiu --mount-proc sh -c 'echo $$; id -u; cat /proc/self/uid_map; ps -o pid= -e >/tmp/ps; wc -l </tmp/ps; hostname box; hostname; set -- /proc/[0-9]*; echo $#'
hostname vk; hostname
setpriv --reuid 1000 --regid 1000 --clear-groups unshare -Urpf --mount-proc sh -c 'id -un; stat -c %U /etc /proc/1; mount -t tmpfs x /mnt; touch /mnt/a; stat -c %U /mnt/a; umount /mnt; umount /proc /dev; cat /etc/shadow'
`);
  assert.deepEqual(lines, [
    "1",
    "0",
    "         0          0          1",
    "2",
    "box",
    "1",
    "vk",
    "root",
    "nobody",
    "root",
    "root",
    "umount: /dev: not mounted.",
    "cat: /etc/shadow: Permission denied",
  ]);
});

test("name spaces are kept by files, entered, and listed", () => {
  const lines = inGuest(`
touch /tmp/uts; unshare --uts=/tmp/uts hostname kept; nsenter --uts=/tmp/uts hostname
grep -c 'uts:\\[[0-9]*\\] /tmp/uts' /proc/self/mountinfo; umount /tmp/uts
unshare -upf --mount-proc sh -c 'hostname inner; exec sleep 100' &
until P=$(pgrep -x sleep); do sleep 0.1; done; lsns -n -t pid -o COMMAND -p $P
nsenter -t $P -a sh -c 'hostname; ps -o pid=,args= -p 1'; nsenter -t $P -p -F readlink /proc/self/ns/pid | grep -c pid
readlink /proc/$P/ns/pid | grep -c "$(readlink /proc/self/ns/pid)"
kill -9 $P; wait 2>/dev/null
unshare -T --boottime 1000000 sh -c 'test $(cut -d. -f1 /proc/uptime) -ge 1000000 && echo later'
`);
  assert.deepEqual(
    lines.map((l) => l.trim().replace(/ +/g, " ")).filter((l) => l !== "Killed"),
    ["kept", "1", "sleep 100", "inner", "1 sleep 100", "1", "0", "later"],
  );
});

test("networks have names", () => {
  const lines = inGuest(`
ip netns add blue; ip netns add red; ip netns list | sort
ip netns exec blue sh -c 'ip -br link show lo; ip link set lo up; ip -br addr show lo; ip netns identify'
ip -n red -br addr show lo; ip netns del blue; ip netns list; ip netns del red; ls /run/netns
`);
  assert.deepEqual(
    lines.map((l) => l.trim().replace(/ +/g, " ")),
    [
      "blue",
      "red",
      "lo DOWN 00:00:00:00:00:00 <LOOPBACK>",
      "lo UNKNOWN 127.0.0.1/8 ::1/128",
      "blue",
      "lo DOWN",
      "red",
    ],
  );
});

test("ss shows the UNIX sockets of its own network", () => {
  const lines = inGuest(`
python3 -c 'import socket, subprocess
s = socket.socket(socket.AF_UNIX); s.bind("\\0mine"); s.listen()
for how in "", "unshare -n ":
    print(subprocess.getoutput(how + "ss -xlH | grep -c @mine"))'
`);
  assert.deepEqual(lines, ["1", "0"]);
});
