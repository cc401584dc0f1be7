/**
 * Debian package versions, ordered as dpkg orders them.
 *
 * epoch:upstream-revision; each part is compared by alternating runs of
 * non-digits ("~" before everything, also before the end; letters before
 * other characters) and of digits by value. Source: deb-version(7).
 */

/** Negative, zero or positive as `a` is older than, the same as, or newer than `b`. */
export function compareVersions(a: string, b: string): number {
  const [epochA, upstreamA, revisionA] = split(a);
  const [epochB, upstreamB, revisionB] = split(b);
  return epochA - epochB || comparePart(upstreamA, upstreamB) || comparePart(revisionA, revisionB);
}

export type Relation = "<<" | "<=" | "=" | ">=" | ">>";

/** Whether `version` stands in `relation` to `bound`. */
export function versionSatisfies(version: string, relation: Relation, bound: string): boolean {
  const order = compareVersions(version, bound);
  switch (relation) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
  }
}

function split(version: string): [number, string, string] {
  const text = version.trim();
  const colon = text.indexOf(":");
  const epoch = colon < 0 ? 0 : Number(text.slice(0, colon)) || 0;
  const rest = text.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return dash < 0 ? [epoch, rest, ""] : [epoch, rest.slice(0, dash), rest.slice(dash + 1)];
}

function comparePart(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = weight(a, i) - weight(b, j);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    const runA = digits(a, i);
    const runB = digits(b, j);
    i += runA.length;
    j += runB.length;
    const x = runA.replace(/^0+/, "");
    const y = runB.replace(/^0+/, "");
    if (x.length !== y.length) return x.length - y.length;
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

/** The rank of a non-digit; the end and a digit rank as 0, "~" below them. */
function weight(s: string, at: number): number {
  if (at >= s.length || isDigit(s, at)) return 0;
  const c = s.charCodeAt(at);
  if (s[at] === "~") return -1;
  return /[A-Za-z]/.test(s[at]!) ? c : c + 256;
}

const isDigit = (s: string, at: number): boolean => {
  const c = s.charCodeAt(at);
  return c >= 48 && c <= 57;
};

function digits(s: string, at: number): string {
  let end = at;
  while (end < s.length && isDigit(s, end)) end++;
  return s.slice(at, end);
}
