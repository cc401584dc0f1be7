/** Exit statuses of the command: sysexits(3) for a machine, docker's for `run`. */
export const EX_OK = 0;
export const EX_FAILURE = 1;
/** The command line was wrong. */
export const EX_USAGE = 64;
/** An image could not be opened. */
export const EX_NOINPUT = 66;
/** The kernel panicked. */
export const EX_PANIC = 70;
/** The host refused something: a file, a lock, a terminal. */
export const EX_OSERR = 71;
/** `run`: vkernel itself failed. */
export const EX_RUN_FAILURE = 125;
export const EX_NOT_EXECUTABLE = 126;
export const EX_NOT_FOUND = 127;
