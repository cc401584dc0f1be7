/** Medians, ratios and a table: how every benchmark here reports. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function geomean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
}

/** Samples by test, then by rival. */
export type Samples = Map<string, Map<string, number[]>>;

/**
 * Rows by test, columns by rival: median, the ratio to the first rival, and, of three, how many times
 * as fast as the second the third is.
 */
export function printTable(
  unit: string,
  samples: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>,
  rivals: readonly string[],
): void {
  const pairs: [number, number][] = rivals.slice(1).map((_, i) => [i + 1, 0]);
  if (rivals.length === 3) pairs.push([1, 2]);
  const cell = (s: string): string => s.padStart(15);
  console.log(
    `${unit.padEnd(18)}${[...rivals, ...pairs.map(([i, k]) => `${rivals[i]}/${rivals[k]}`)].map(cell).join("")}`,
  );
  const ratios: number[][] = pairs.map(() => []);
  for (const [test, byRival] of samples) {
    const medians = rivals.map((r) => median(byRival.get(r) ?? []));
    const row = medians.map((m) => cell(Number.isNaN(m) ? "-" : m.toPrecision(4)));
    pairs.forEach(([i, k], column) => {
      const ratio = medians[i]! / medians[k]!;
      // Nothing to compare: no sample, or one too short for its clock.
      const isRatio = Number.isFinite(ratio) && ratio > 0;
      row.push(cell(isRatio ? ratio.toFixed(2) : "-"));
      if (isRatio) ratios[column]!.push(ratio);
    });
    console.log(`${test.padEnd(18)}${row.join("")}`);
  }
  const means = ratios.map((list) => cell(list.length > 0 ? geomean(list).toFixed(2) : "-"));
  console.log(`${"geometric mean".padEnd(18 + 15 * rivals.length)}${means.join("")}`);
}
