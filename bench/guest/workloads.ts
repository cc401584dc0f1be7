/**
 * The real programs that are measured, and what they do: a second or so natively, all together.
 *
 * Everything a program reads is its arguments, its standard input, or a file of the image that its
 * directory has, so that native, qemu-riscv64 and vkernel get the very same input.
 */
import { cSource } from "./csource.ts";

export interface Workload {
  readonly name: string;
  /** Path in the image. */
  readonly program: string;
  readonly args: readonly string[];
  /** How often it is run, one after the other, in one machine: what a shell script would do. */
  readonly times?: number;
  readonly stdin?: string;
  /** Directory of the image to be in. */
  readonly cwd?: string;
  /** What makes the program say its version. */
  readonly version?: readonly string[];
  /** Measured, but not of the nine whose mean is taken. */
  readonly isExtra?: boolean;
}

/** After Guido van Rossum's pystone: records, calls, lists, strings and branches in the Dhrystone mix. */
const PYSTONE = `
class Record:
    def __init__(self, next=None, discr=0, enum=0, num=0, text=""):
        self.next, self.discr, self.enum, self.num, self.text = next, discr, enum, num, text
    def copy(self):
        return Record(self.next, self.discr, self.enum, self.num, self.text)
def ident(e, flag):
    return 3 if e != 2 and not flag else 0 if e == 2 else 1
def compare(a, b):
    i = 1
    while i <= 1:
        if a[i] == b[i + 1]: i += 1
        else: return a > b
    return a > b
def fill(one, two, x, y):
    at = x + 5
    one[at] = y
    one[at + 1] = one[at]
    one[at + 30] = at
    for i in range(at, at + 2): two[at][i] = at
    two[at][at - 1] += 1
    two[at + 20][at] = one[at]
def link(p):
    q = p.next = p.copy()
    p.num = 5
    q.num = p.num
    q.next = p.next
    if q.discr == 0:
        q.num = 6
        q.enum = ident(p.enum, q.num > 100)
        q.num += 10
    return q
def main(loops):
    one, two = [0] * 51, [[0] * 51 for _ in range(51)]
    head = Record(Record(), 0, 2, 40, "DHRYSTONE PROGRAM, SOME STRING")
    total = 0
    for n in range(loops):
        text, x, y = "DHRYSTONE PROGRAM, 2'ND STRING", 2, 3
        flag = not compare(head.text, text)
        while x < y:
            z = 5 * x - y
            x += 1
        fill(one, two, x, z)
        head = link(head)
        for c in range(ord("A"), ord("C") + 1):
            if ident(n & 3, flag) == 1: total += c
        y = y * x
        x = y // z
        total += 7 * (y - z) - x + head.num
    return total, one[8], two[8][7]
print(main(LOOPS))`;

const SQL = `create table t(a integer primary key, b int, c text);
with recursive n(x) as (select 1 union all select x + 1 from n where x < 80000)
 insert into t select x, x * 7919 % 1000, 'row ' || x from n;
create index i on t(b);
select b, count(*), sum(a) from t group by b order by 3 desc limit 5;
select count(*) from t x join t y on x.b = y.b and x.a < y.a;
update t set c = upper(c) where b % 3 = 0;
select sum(length(c)), count(distinct c) from t where c like '%9';`;

const PERL = `my (%count, @words);
for my $i (1 .. 800000) {
  my $w = chr(97 + $i % 26) . ($i * 7919 % 4096);
  $count{$w}++ if $w =~ /^[a-m]\\d*[37]$/;
  push @words, $w if $i % 50 == 0;
}
my $text = join ",", sort { $count{$b} <=> $count{$a} || $a cmp $b } @words;
$text =~ s/(\\d+)/$1 + 1/ge;
print scalar(keys %count), " ", length($text), " ", substr($text, 0, 60), "\\n";`;

const BASH = `i=0; s=0; t=
while [ $i -lt 60000 ]; do
  i=$((i+1)); s=$(((s*31+i)%65521))
  case $s in *7) t=\${t#x}y;; *3) t=x$t;; esac
done
echo $s \${#t}`;

const CC1 = "/usr/libexec/gcc/riscv64-linux-gnu/14/cc1";

export const WORKLOADS: readonly Workload[] = [
  { name: "python3 start x10", program: "/usr/bin/python3", args: ["-c", "pass"], times: 10 },
  {
    name: "python3 pystone",
    program: "/usr/bin/python3",
    args: ["-c", PYSTONE.replace("LOOPS", "200000")],
  },
  { name: "sqlite3 in memory", program: "/usr/bin/sqlite3", args: [":memory:"], stdin: SQL },
  { name: "gzip", program: "/usr/bin/gzip", args: ["-c", "python3.13"], cwd: "/usr/bin" },
  { name: "xz", program: "/usr/bin/xz", args: ["-1c", "python3.13"], cwd: "/usr/bin" },
  {
    name: "sha256sum",
    program: "/usr/bin/sha256sum",
    args: ["python3.13", "python3.13", "python3.13", "python3.13"],
    cwd: "/usr/bin",
  },
  { name: "perl", program: "/usr/bin/perl", args: ["-e", PERL], version: ["-e", "print $^V"] },
  { name: "bash loop", program: "/usr/bin/bash", args: ["-c", BASH] },
  {
    name: "cc1 -O2",
    program: CC1,
    args: ["-quiet", "-O2", "-o", "-", "-"],
    stdin: cSource(),
    version: ["-version", "-o", "/dev/null", "-"],
  },
  {
    name: "git diff",
    program: "/usr/bin/git",
    args: ["diff", "--no-index", "json", "email"],
    cwd: "/usr/lib/python3.13",
    isExtra: true,
  },
  { name: "true", program: "/usr/bin/true", args: [], isExtra: true },
];
