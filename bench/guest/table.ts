/** Medians, ratios and a table: how every benchmark here reports. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function geomean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
}

/** Rows by test, columns by rival: median, and the ratio to the first rival. */
export function printTable(
  unit: string,
  samples: ReadonlyMap<string, ReadonlyMap<string, readonly number[]>>,
  rivals: readonly string[],
): void {
  const cell = (s: string): string => s.padStart(12);
  console.log(
    `${unit.padEnd(18)}${rivals.map(cell).join("")}${rivals
      .slice(1)
      .map((r) => cell(`${r}/${rivals[0]}`))
      .join("")}`,
  );
  const ratios = new Map<string, number[]>();
  for (const [test, byRival] of samples) {
    const medians = rivals.map((r) => median(byRival.get(r) ?? []));
    const row = medians.map((m) => cell(Number.isNaN(m) ? "-" : m.toPrecision(4)));
    for (let i = 1; i < rivals.length; i++) {
      const ratio = medians[i]! / medians[0]!;
      row.push(cell(Number.isNaN(ratio) ? "-" : ratio.toFixed(2)));
      if (!Number.isNaN(ratio)) ratios.set(rivals[i]!, [...(ratios.get(rivals[i]!) ?? []), ratio]);
    }
    console.log(`${test.padEnd(18)}${row.join("")}`);
  }
  for (const [rival, list] of ratios) {
    console.log(`geometric mean of ${rival}/${rivals[0]}: ${geomean(list).toFixed(2)}`);
  }
}
