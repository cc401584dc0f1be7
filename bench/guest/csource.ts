/**
 * A C file of some 2,000 lines for compilers to work on: the same one each time.
 *
 * Records, loops, switches, arithmetic and calls between functions, in the proportions of ordinary
 * code; no headers, so that a compiler needs nothing but the text.
 */

/** Lines of one function and its blank line. */
const LINES_EACH = 25;
const FUNCTIONS = Math.floor(2000 / LINES_EACH);

export function cSource(): string {
  const parts = [
    "typedef struct node { struct node *next; long key; int count; double weight; char name[24]; } node;",
    "static node pool[256];",
  ];
  for (let i = 0; i < FUNCTIONS; i++) parts.push(functionText(i));
  const calls = Array.from({ length: FUNCTIONS }, (_, i) => `f${i}(pool, n, ${i})`).join(" + ");
  parts.push(`long all(int n) {\n  return ${calls};\n}\n`);
  return parts.join("\n");
}

/** Function `i`: calls earlier ones, and has constants of its own, so that none is like another. */
function functionText(i: number): string {
  const called = i === 0 ? "n" : `f${i >>> 1}(p, n - 1, ${i * 7})`;
  const [a, b, c] = [(i * 37) % 101, (i * 53) % 29, (i % 7) + 2];
  return `long f${i}(node *p, int n, long seed) {
  long sum = seed * ${a + 1}, table[16];
  if (n <= 0 || p == 0) return sum;
  for (int k = 0; k < 16; k++) table[k] = (seed >> (k & ${c})) ^ (k * ${b + 3});
  for (node *q = p; q; q = q->next) {
    switch ((q->key + ${a}) & 7) {
      case 0: sum += table[q->count & 15]; break;
      case 1: sum ^= q->key << ${c}; break;
      case 2: q->weight = q->weight * ${b}.5 + sum; break;
      case 3: if (q->count > ${a}) sum -= q->count; else sum += ${b}; break;
      case 4: for (int k = 0; k < 24 && q->name[k]; k++) sum = sum * 31 + q->name[k]; break;
      case 5: sum += ${called}; break;
      default: q->count += (int)(sum % ${a + 11});
    }
    for (int k = 1; k < 16; k++) {
      if (table[k - 1] > table[k]) {
        long t = table[k];
        table[k] = table[k - 1];
        table[k - 1] = t;
      }
    }
  }
  return sum + table[${i & 15}];
}
`;
}
