/** What `--help` prints. */
export const usage = `vkernel: a Unix kernel that runs as an ordinary program

usage: vkernel [-hsv] [-e name=value:...] [-m size] [-n ncpus] [-p pidfile]
               [-r file[:serno][,...]] [-R file[:serno][,...]] [-c file]
               [--volume dir:path[:ro]] [--profile file]
       vkernel run [--rw|--ro] [-m size] [-n ncpus] [-e NAME=value] [-w dir]
               [-r|-R|-c file] [--volume dir:path[:ro]] [--profile file]
               IMAGE -- CMD [ARG...]
       vkernel image build|ls|path|rm|verify|diff|commit ...

Boot a machine from a disk image:
  -m size           memory of the machine, a hard cap (default 256m; k, m, g)
  -n ncpus          number of CPUs (only 1 until SMP is in)
  -r file[:serno]   a disk, read and written, for this machine alone
  -R file[:serno]   a disk, copy on write: writes stay in memory, the file can be shared;
                    a name of 'vkernel image ls' will do
  -c file           a CD-ROM; the first of -r, -R and -c has the root. Raw and qcow2 images.
                    After a file: ,overlay=FILE (-R: writes go there and stay) ,iops=N ,bw=SIZE
                    (limits for a second) ,limit=SIZE (of what writes take) ,format=raw|qcow2
                    ,backing=any (a qcow2 image may name files of other directories)
  --volume DIR:PATH[:ro|rw][,uid=N][,gid=N]
                    show the directory DIR of this computer at PATH (repeatable)
  -e name=value:..  kernel environment; init=PATH names the first program,
                    vfs.root.mountfrom=vkd0p1 the root's partition, and
                    vfs.root.mountfrom.options=ro mounts it read-only
  -s                single user: /bin/sh instead of init; its end is the machine's
  -p pidfile        write the process id here, locked while the machine runs
  -v                verbose boot, with timings; at the end a table of what was counted
  --profile file    sample programs and system calls, for ui.perfetto.dev or speedscope.app
  -h, --help        this text
  --version         the version

  ^\\ on the console enters the debugger (help lists its commands).
  'poweroff' in the guest, or SIGTERM, shuts it down cleanly; a second SIGTERM ends it at once.
  Exit status: 0 halt, 64 usage, 66 no such image, 70 panic, 71 the host refused a file or a lock.

Run one command in an image and exit with its status:
  vkernel run debian -- python3 -c 'print(6 * 7)'
  IMAGE is a name from 'vkernel image ls' or a path to an image, as with -R.
  125 vkernel failed, 126 not executable, 127 not found, 128+n killed by signal n.

Make an image from Debian packages:
  vkernel image build debian            the default one
  vkernel image build mine --include git,gcc
`;

export const runUsage = `usage: vkernel run [options] IMAGE -- CMD [ARG...]

Runs CMD as the first process of a fresh machine on IMAGE and exits with its status.
IMAGE is a name from 'vkernel image ls', or a path to a raw or qcow2 image. Writes stay in
memory and vanish, unless --rw is given, or ",overlay=FILE" after the image: then in FILE.

  -m size         memory of the machine, a hard cap (default 256m)
  -n ncpus        number of CPUs (only 1 until SMP is in)
  -e NAME=value   set an environment variable for CMD (repeatable); NAME alone: as it is here
  -w dir          working directory (default /)
  -r, -R, -c file further disks and CD-ROMs, as of 'vkernel' itself (vkernel --help)
  --volume DIR:PATH[:ro|rw][,uid=N][,gid=N]
                  show the directory DIR of this computer at PATH (repeatable): read and
                  written unless it says ro, and all of it root's unless it says whose
  -v              show boot messages on stderr, and at the end a table of what was counted
  --profile file  sample programs and system calls, for ui.perfetto.dev or speedscope.app
  --rw            write to the image itself, which nobody else can use meanwhile
  --ro            mount the image read-only
  --strace        write every system call to stderr
  -h, --help      this text

Exit status: CMD's own; 125 vkernel failed, 126 CMD not executable, 127 CMD not found,
128+n CMD killed by signal n. Signals sent to vkernel reach CMD; a second SIGTERM ends vkernel.
`;
