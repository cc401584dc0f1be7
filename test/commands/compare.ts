/**
 * When is a command's outcome in the guest the same as the oracle's?
 *
 * Status, stdout and stderr must be equal after each side went through the
 * command's rules, which replace what may differ between two kernels: times,
 * process ids, random numbers, speeds, sizes of the machine, and that the
 * oracle's processes show up as QEMU's. A rule replaces as little as it can.
 */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Rule = (text: string) => string;

const replace =
  (pattern: RegExp, by: string): Rule =>
  (text) =>
    text.replace(pattern, by);

/** How QEMU appears before the command line in /proc/PID/cmdline: interpreter, program, then argv. */
const WITHOUT_QEMU = replace(/(\{\S+\} )?\S*qemu-riscv64\S* \S+ /g, "");

/** Tables of numbers: each becomes N, and columns need not be as wide. */
const NUMBERS_AS_N: readonly Rule[] = [
  replace(/-?\d[\d.,:%]*/g, " N "),
  replace(/[ \t]+/g, " "),
  replace(/ $/gm, ""),
];

const SORTED_LINES: Rule = (text) => text.split("\n").sort().join("\n");

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  "busybox-sh": [
    WITHOUT_QEMU,
    replace(/^ *\d+ root +/gm, "PID root "),
    replace(/^((?:Mem|Swap):)[ \d]+/gm, "$1 N"),
  ],
  // debugfs gives extracted symbolic links the time of extraction.
  "ls-laR": [replace(/^(l.* )\w{3} +\d+ +[\d:]+ /gm, "$1TIME ")],
  "cat-cp-mv-rm": [
    replace(/Device: .*Inode: \d+ +/, "Device Inode "),
    replace(/(\d{4}-\d\d-\d\d) [\d:.]+/g, "$1"),
    replace(/^tmp.*\/tmp$/m, "tmpfs SIZES /tmp"),
  ],
  "grep-sed-awk": [replace(/\/etc\/sed\w{6}/, "/etc/sedXXXXXX")],
  "ps-top-free": [
    WITHOUT_QEMU,
    replace(/ \? +([A-Z])[<NLsl+]*/g, " ? $1"),
    replace(/up .* users,/g, "up"),
    ...NUMBERS_AS_N,
    // top's rows are sorted by the share of the processor; QEMU 7 shows a program its own state as 0.
    replace(/^( N root N N N N N) (?:[RSD]|N) (N N N \w+)$/gm, "$1 S $2"),
    SORTED_LINES,
  ],
  "python3-misc": [
    // The order of a directory is that of a hash whose seed is the file system's.
    replace(/\['[^\]]*'\]/, "DIRECTORY"),
    replace(/\n\d+ \([\d., ]+\) b(['"]).*\1/, "\nCPUS (LOAD) RANDOM"),
  ],
  "python3-asyncio-http": [replace(/\[\d+\/\w+\/[\d: ]+\]/, "[DATE]")],
  "git-init-commit": [replace(/\b[0-9a-f]{7}\b/g, "HASH")],
  "redis-bench": [replace(/^.*\r/gm, ""), ...NUMBERS_AS_N],
  "curl-file": [replace(/after \d+ ms/, "after N ms")],
  openssl: [replace(/^[0-9a-f]{16}$/m, "RANDOM"), replace(/^sha256 +[\d.]+k/m, "sha256 SPEED")],
  // QEMU has no sock_diag(7): there ss says so and reads /proc/net instead.
  "ip-ss": [...NUMBERS_AS_N, replace(/^Cannot open netlink socket: .*\n/gm, "")],
  "ping-nc": NUMBERS_AS_N,
  // The table, whole and well-formed, beside the output of ls alone.
  "strace-ls": [
    replace(
      /^% time +seconds +usecs\/call +calls +errors syscall\n[- ]+\n(?: *[\d.]+ +[\d.]+ +\d+ +\d+ +(?:\d+ +)?\w+\n)+[- ]+\n100\.00 +[\d. ]+ total\n$/,
      "",
    ),
  ],
  iperf3: [...NUMBERS_AS_N, replace(/[KMG]?(Bytes|bits\/sec)/g, "$1")],
};

/** What QEMU runs instead where it cannot run the line itself: qemu-user implements no ptrace(2). */
const ORACLE_LINES: Readonly<Record<string, string>> = { "strace-ls": "ls /" };

export function oracleLine({
  name,
  line,
}: {
  readonly name: string;
  readonly line: string;
}): string {
  return ORACLE_LINES[name] ?? line;
}

/** The first line that differs, or null if the outcomes are the same. */
export function difference(name: string, guest: Outcome, oracle: Outcome): string | null {
  if (guest.status !== oracle.status) {
    return `status ${guest.status}, not ${oracle.status}: ${lastLine(guest.stderr)}`;
  }
  const streams = [
    ["stdout", guest.stdout, oracle.stdout],
    ["stderr", guest.stderr, oracle.stderr],
  ] as const;
  for (const [stream, ours, theirs] of streams) {
    const line = firstDifference(normalised(name, ours), normalised(name, theirs));
    if (line !== null) return `${stream}: ${line}`;
  }
  return null;
}

function normalised(name: string, text: string): string {
  return (RULES[name] ?? []).reduce((t, rule) => rule(t), text);
}

function firstDifference(ours: string, theirs: string): string | null {
  if (ours === theirs) return null;
  const a = ours.split("\n");
  const b = theirs.split("\n");
  let at = 0;
  while (a[at] === b[at]) at++;
  return `${quoted(a[at])}, not ${quoted(b[at])}`;
}

function quoted(line: string | undefined): string {
  return line === undefined ? "the end" : JSON.stringify(line.slice(0, 200));
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}
