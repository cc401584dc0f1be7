/**
 * Debian's control format: stanzas of "Field: value", continued by indented lines.
 *
 * Field names keep the spelling they come in. Source: deb822(5).
 */
export type Stanza = Readonly<Record<string, string | undefined>>;

/** All stanzas of `text`; comment lines are skipped, empty stanzas too. */
export function parseControl(text: string): Stanza[] {
  return text
    .split(/\n[ \t\r]*\n/)
    .map(parseStanza)
    .filter((stanza) => Object.keys(stanza).length > 0);
}

/** One stanza; lines that are neither field nor continuation are skipped. */
export function parseStanza(text: string): Stanza {
  const stanza: Record<string, string> = Object.create(null);
  let field: string | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("#")) continue;
    if (/^[ \t]/.test(line)) {
      if (field !== undefined) stanza[field] += `\n${line.trimEnd()}`;
      continue;
    }
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    field = line.slice(0, colon);
    stanza[field] = line.slice(colon + 1).trim();
  }
  return stanza;
}
