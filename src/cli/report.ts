/** One clear line for any error, on standard error. */
export function complain(message: string): void {
  process.stderr.write(`vkernel: ${message}\n`);
}

/** What Node says of a failed file operation, as a person would: "root.img: No such file". */
export function fileError(path: string, e: unknown): string {
  const { code, message } = e as NodeJS.ErrnoException;
  const words: Record<string, string> = {
    ENOENT: "no such file",
    EACCES: "permission denied",
    EISDIR: "is a directory",
    EROFS: "read-only file system",
  };
  return `${path}: ${words[code ?? ""] ?? message}`;
}
