/** What can be limited: the controllers of control groups, as bits and by name. See cgroups(7). */
export const CPUSET = 1;
export const CPU = 2;
export const IO = 4;
export const MEMORY = 8;
export const PIDS = 16;

export const ALL_CONTROLLERS = CPUSET | CPU | IO | MEMORY | PIDS;
/** Those that can tell threads of one process apart. */
export const THREADED_CONTROLLERS = CPUSET | CPU | PIDS;

/** In Linux's order. */
const NAMES: ReadonlyMap<string, number> = new Map([
  ["cpuset", CPUSET],
  ["cpu", CPU],
  ["io", IO],
  ["memory", MEMORY],
  ["pids", PIDS],
]);

/** The bit of a controller; 0 if there is none of that name. */
export function controllerBit(name: string): number {
  return NAMES.get(name) ?? 0;
}

/** "cpu memory", as a line: the controllers of a set, nothing for none. */
export function controllerNames(bits: number): string {
  return bits === 0 ? "" : `${controllerList(bits).join(" ")}\n`;
}

export function controllerList(bits: number): readonly string[] {
  return [...NAMES].filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
}
