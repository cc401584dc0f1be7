/** struct utsname: six fields of 65 bytes. See uname(2). */
export const UTS_FIELD_BYTES = 65;
export const UTS_FIELDS = 6;

/** The Linux whose interface this kernel speaks; programs compare it with what they need. */
export const UTS_SYSNAME = "Linux";
export const UTS_RELEASE = "6.12.0-vkernel";
export const UTS_MACHINE = "riscv64";
