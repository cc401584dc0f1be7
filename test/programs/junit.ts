/** What `python3 -m test --junit-xml` writes, as far as we ask: each test's name, outcome and reason. */
export type Outcome = "passed" | "failed" | "skipped";

export interface TestResult {
  readonly outcome: Outcome;
  /** Why it was skipped, or the error's last line; "" if it passed. */
  readonly reason: string;
}

/** By the test's full name. A test with subtests is listed once for each that failed: one failure is failure. */
export function parseJunit(xml: string): Map<string, TestResult> {
  const results = new Map<string, TestResult>();
  for (const m of xml.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    const name = /(?:^| )name="([^"]*)"/.exec(m[1]!)?.[1];
    if (name === undefined) continue;
    const key = plain(name).replace(/ .*/s, "");
    const found = resultOf(m[2] ?? "");
    if (results.get(key)?.outcome !== "failed") results.set(key, found);
  }
  return results;
}

function resultOf(body: string): TestResult {
  const wrong = /<(error|failure)\b([^>]*)>/.exec(body);
  if (wrong) {
    const message = /message="([^"]*)"/.exec(wrong[2]!)?.[1] ?? "";
    return { outcome: "failed", reason: lastLine(plain(message)) };
  }
  const skipped = /<skipped\b[^>]*?(?:\/>|>(.*?)<\/skipped>)/s.exec(body);
  if (skipped) return { outcome: "skipped", reason: lastLine(plain(skipped[1] ?? "")) };
  return { outcome: "passed", reason: "" };
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1)!.trim().slice(0, 200);
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};

function plain(text: string): string {
  return text.replace(/&(#x?[0-9a-fA-F]+|[a-z]+);/g, (whole, entity: string) => {
    if (!entity.startsWith("#")) return ENTITIES[entity] ?? whole;
    const isHex = entity[1] === "x";
    return String.fromCodePoint(Number.parseInt(entity.slice(isHex ? 2 : 1), isHex ? 16 : 10));
  });
}
