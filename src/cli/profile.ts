/** `--profile FILE`: the file is opened before the machine starts, so that nobody finds out afterwards that it cannot be. */
import { closeSync, openSync } from "node:fs";
import { ENOSPC } from "../abi/errno.ts";
import { complain, fileError } from "./report.ts";

export class ProfileOption {
  readonly fd: number;
  readonly #path: string;
  #isReported = false;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.fd = fd;
  }

  /** Null without a path; a complaint if the file cannot be written. */
  static open(path: string | null): ProfileOption | string | null {
    if (path === null) return null;
    try {
      return new ProfileOption(path, openSync(path, "w"));
    } catch (e) {
      return `--profile ${fileError(path, e)}`;
    }
  }

  /** The machine wrote its profile, or could not: `error` is a negative errno. */
  report(samples: number, error: number): void {
    this.#isReported = true;
    if (error !== 0) {
      const why = error === ENOSPC ? "no space left" : "input/output error";
      complain(`--profile ${this.#path}: ${why}`);
      return;
    }
    complain(`${samples} samples in ${this.#path}: open it in ui.perfetto.dev or speedscope.app`);
  }

  /** The machine is over. */
  close(): void {
    if (!this.#isReported) complain(`no profile in ${this.#path}: the machine never got so far`);
    closeSync(this.fd);
  }
}
