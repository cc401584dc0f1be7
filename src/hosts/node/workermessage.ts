/** What the kernel's Worker tells the embedder's thread. */
import type { Outcome } from "../../boot/config.ts";
import type { MachineCounts } from "../../platform/counts.ts";

export type WorkerMessage =
  | { readonly kind: "ended"; readonly outcome: Outcome }
  /** Add to this word at a steady pace. */
  | {
      readonly kind: "ticks";
      readonly memory: SharedArrayBuffer;
      readonly address: number;
      readonly tickUs: number;
    }
  | { readonly kind: "profiled"; readonly samples: number; readonly error: number }
  | { readonly kind: "counts"; readonly counts: MachineCounts };
