// Where the trials of a study keep files: one folder each beside the journal, and in it the checkpoints of their runs, which
// go when the trial has ended. Knows no trial and no run.
import { readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";

export const trialFolder = (folder: string, number: number): string => join(folder, String(number));

const allCheckpoints = (folder: string, number: number) => join(trialFolder(folder, number), "checkpoints");

/** The checkpoints of one run of a trial. */
export const checkpointFolder = (folder: string, number: number, name: string): string => join(allCheckpoints(folder, number), name);

/** What cannot be removed now is in nobody's way. */
function attempt(remove: () => void): void {
  try {
    remove();
  } catch {
    // It is looked at again when the study is opened next.
  }
}

/** Removes the checkpoints of a trial that has ended, and the folders above them where nothing else is in them. */
export function clearCheckpoints(folder: string, number: number): void {
  attempt(() => rmSync(allCheckpoints(folder, number), { recursive: true, force: true }));
  // Fails, as it should, where something is in the folder.
  attempt(() => rmdirSync(trialFolder(folder, number)));
  attempt(() => rmdirSync(folder));
}

/** Removes what processes left that died between the end of a trial and the removal of its checkpoints. */
export function sweepCheckpoints(folder: string, hasEnded: (number: number) => boolean): void {
  attempt(() => {
    for (const name of readdirSync(folder)) if (/^\d+$/.test(name) && hasEnded(Number(name))) clearCheckpoints(folder, Number(name));
  });
}
