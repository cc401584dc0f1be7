/**
 * Call stacks, each kept once: a tree whose nodes are a frame called from the node above. Node 0 is
 * the empty stack.
 *
 * Guests decide how many there are, so both frames and nodes are bounded: what does not fit any more counts for
 * its nearest caller that does.
 */
const MAX_FRAMES = 65_536;
const MAX_NODES = 262_144;

export class Stacks {
  /** Names of frames; one number each. */
  readonly #names: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #parents: number[] = [0];
  readonly #frames: number[] = [-1];
  /** Parent and frame as one number → node. */
  readonly #children = new Map<number, number>();

  /** The stack `parent` with a call of `name` on top. */
  push(parent: number, name: string): number {
    let frame = this.#numbers.get(name);
    if (frame === undefined) {
      if (this.#names.length >= MAX_FRAMES) return parent;
      frame = this.#names.push(name) - 1;
      this.#numbers.set(name, frame);
    }
    const key = parent * MAX_FRAMES + frame;
    let node = this.#children.get(key);
    if (node === undefined) {
      if (this.#parents.length >= MAX_NODES) return parent;
      node = this.#parents.push(parent) - 1;
      this.#frames.push(frame);
      this.#children.set(key, node);
    }
    return node;
  }

  /** The nodes of a stack, outermost first. */
  path(node: number): number[] {
    const path: number[] = [];
    for (let n = node; n !== 0; n = this.#parents[n]!) path.push(n);
    return path.reverse();
  }

  /** The name of a stack's innermost frame. */
  name(node: number): string {
    return this.#names[this.#frames[node]!] ?? "";
  }
}
