/**
 * The end of the line: for our own broken invariants, never for bad input.
 *
 * `panic` is the one exception of the kernel; the boot floor catches it,
 * prints it and enters ddb or exits with status 70.
 */
export class Panic extends Error {
  override readonly name = "Panic";
}

export function panic(message: string): never {
  throw new Panic(message);
}

export function KASSERT(condition: boolean, message: string): asserts condition {
  if (!condition) panic(message);
}
