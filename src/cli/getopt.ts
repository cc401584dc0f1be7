/**
 * getopt(3), POSIX rules: single letters, bundled flags, `--` ends the options,
 * and so does the first operand. Long options (`--name`, `--name=value`) beside them.
 */
export interface OptionSpec {
  /** Letters and long names that take no argument. */
  readonly flags: readonly string[];
  /** Letters and long names that take one. */
  readonly values: readonly string[];
}

export interface ParsedOptions {
  readonly options: readonly { readonly name: string; readonly value: string }[];
  readonly operands: readonly string[];
  /** True if `--` stood before the operands. */
  readonly sawDashes: boolean;
}

/** The parsed line, or a one-line complaint. */
export function getopt(argv: readonly string[], spec: OptionSpec): ParsedOptions | string {
  const options: { name: string; value: string }[] = [];
  let i = 0;
  while (i < argv.length) {
    const arg = argv[i]!;
    if (arg === "--") return { options, operands: argv.slice(i + 1), sawDashes: true };
    if (!arg.startsWith("-") || arg === "-") break;
    i++;
    if (arg.startsWith("--")) {
      const eq = arg.indexOf("=");
      const name = eq < 0 ? arg.slice(2) : arg.slice(2, eq);
      if (spec.flags.includes(name) && eq < 0) options.push({ name, value: "" });
      else if (spec.values.includes(name)) {
        const value = eq < 0 ? argv[i++] : arg.slice(eq + 1);
        if (value === undefined) return `option --${name} needs an argument`;
        options.push({ name, value });
      } else return `unknown option --${name}`;
      continue;
    }
    for (let k = 1; k < arg.length; k++) {
      const name = arg[k]!;
      if (spec.flags.includes(name)) {
        options.push({ name, value: "" });
      } else if (spec.values.includes(name)) {
        const value = k + 1 < arg.length ? arg.slice(k + 1) : argv[i++];
        if (value === undefined) return `option -${name} needs an argument`;
        options.push({ name, value });
        break;
      } else return `unknown option -${name}`;
    }
  }
  return { options, operands: argv.slice(i), sawDashes: false };
}
