/** Where what can be had again is kept: `$XDG_CACHE_HOME/vkernel`. See the XDG base directory specification. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

export function cacheRoot(env: NodeJS.ProcessEnv): string {
  const xdg = env["XDG_CACHE_HOME"];
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".cache");
  return join(base, "vkernel");
}
