/** Launches a machine and says on standard error what was asked for: where its profile is, what it counted. */
import type { Worker } from "node:worker_threads";
import { type LaunchOutcome, launch } from "../hosts/node/launch.ts";
import type { MachineSpec } from "../hosts/node/machinespec.ts";
import { countsTable } from "./counts.ts";
import { ProfileOption } from "./profile.ts";
import { note } from "./report.ts";

/** `profilePath`: from --profile. A complaint if that cannot be written. `worker`: see `launch`. */
export async function launchObserved(
  spec: MachineSpec,
  profilePath: string | null,
  worker: Worker,
): Promise<LaunchOutcome | string> {
  const profile = ProfileOption.open(profilePath);
  if (typeof profile === "string") return profile;
  try {
    return await launch(
      { ...spec, profileFd: profile?.fd ?? null },
      {
        profiled: (samples, error) => profile?.report(samples, error),
        counted: (counts) => {
          if (spec.isVerbose) note(countsTable(counts));
        },
      },
      worker,
    );
  } finally {
    profile?.close();
  }
}
