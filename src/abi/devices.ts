/**
 * Device numbers that programs know by heart. Source: Linux's admin-guide/devices.txt.
 * The last group is from the range for local use.
 */
export const MEM_MAJOR = 1;
export const MEM_NULL = 3;
export const MEM_ZERO = 5;
export const MEM_FULL = 7;
export const MEM_RANDOM = 8;
export const MEM_URANDOM = 9;
export const MEM_KMSG = 11;

export const TTYAUX_MAJOR = 5;
export const TTYAUX_TTY = 0;
export const TTYAUX_CONSOLE = 1;
export const TTYAUX_PTMX = 2;

export const PTY_SLAVE_MAJOR = 136;
/** hvc0: a console that its hypervisor provides. */
export const HVC_MAJOR = 229;

/** Standard streams of the host that are not terminals: minors 0, 1 and 2. */
export const HOST_STREAM_MAJOR = 240;
