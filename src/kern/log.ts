/**
 * Where a part of the kernel says what an administrator should know; see
 * kprintf(9). Text is for people: short, one line, with the device's name.
 */
export interface KernelLog {
  log(level: number, text: string): void;
}

export const LOG_CRIT = 2;
export const LOG_ERR = 3;
export const LOG_WARNING = 4;
export const LOG_INFO = 6;
export const LOG_DEBUG = 7;
