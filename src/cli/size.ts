/** Sizes on the command line: digits with an optional k, m, g or t, powers of 1024. */
export function parseSize(text: string): number | null {
  const m = /^(\d+)([kmgt]?)b?$/i.exec(text);
  if (!m) return null;
  const scale = { "": 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }[m[2]!.toLowerCase()]!;
  return Number(m[1]) * scale;
}
