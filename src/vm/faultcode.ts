/** What a page fault comes to. See sigaction(2), si_code. */
export const FAULT_OK = 0;
/** SIGSEGV, SEGV_MAPERR: nothing is mapped there. */
export const FAULT_MAPERR = 1;
/** SIGSEGV, SEGV_ACCERR: mapped, but not for this. */
export const FAULT_ACCERR = 2;
/** SIGBUS, BUS_ADRERR: past the end of the object, or it could not be read. */
export const FAULT_BUS = 3;
/** No memory, and the oom handler could not help. */
export const FAULT_OOM = 4;
