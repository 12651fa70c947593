// Where a study is kept: a log of entries that only grows, in one order for everybody. That is all a study needs, so a
// database can stand behind the same interface. What entries mean is not known here.
import type { Json } from "../nn/layer.ts";
import type { Direction } from "./strategy.ts";

/** One process that works on a study, as others can recognise whether it still lives. */
export interface Owner {
  readonly id: string;
  readonly pid: number;
  /** The machine, its start and its process numbers, as far as the system tells them apart. */
  readonly host: string;
  /** When the process began, as the system counts; "" where it does not say. */
  readonly began: string;
}

/** What is recorded. `time` is in milliseconds since 1970 and decides nothing. */
export type Entry = { readonly time: number } & (
  | { readonly event: "study"; readonly version: number; readonly space: Json; readonly direction: Direction; readonly seed: number }
  | ({ readonly event: "owner" } & Owner)
  | { readonly event: "alive"; readonly owner: string }
  /** A trial begins under its first lease; `seen` entries had been read when it was proposed. */
  | {
      readonly event: "start";
      readonly trial: number;
      readonly owner: string;
      readonly by: string;
      readonly params: Readonly<Record<string, Json>>;
      readonly note?: Json;
      readonly seen: number;
    }
  /** An unfinished trial goes on under a new lease; whatever comes under an older one no longer counts. */
  | { readonly event: "resume"; readonly trial: number; readonly lease: number; readonly owner: string }
  | {
      readonly event: "suggest";
      readonly trial: number;
      readonly lease: number;
      readonly name: string;
      readonly dimension: Json;
      readonly value: Json;
    }
  | { readonly event: "report"; readonly trial: number; readonly lease: number; readonly step: number; readonly value: number }
  /** Its owner lets go of a trial that has not ended: whoever comes may go on with it. */
  | { readonly event: "release"; readonly trial: number; readonly lease: number }
  | {
      readonly event: "end";
      readonly trial: number;
      readonly lease: number;
      readonly state: "done" | "pruned" | "failed";
      readonly value?: number;
      readonly error?: string;
    }
);

export interface Storage {
  /** For messages: a file's path, a database's name. */
  readonly name: string;
  /** Where trials keep files of their own; undefined: nowhere that lasts. */
  readonly folder?: string | undefined;
  /** Entries that this object has not yet returned, in the log's order; one's own are among them. */
  read(): Promise<readonly Entry[]>;
  /**
   * Adds entries behind all others, in one piece. When it is called, the entries are handed over before it returns; the promise
   * tells that they are there for others, with `durable` that they outlast a power cut.
   */
  append(entries: readonly Entry[], options?: { durable?: boolean }): Promise<void>;
  close(): Promise<void>;
}

/** A log in this process's memory, for studies that are not kept. */
export function memoryStorage(): Storage {
  const log: Entry[] = [];
  let next = 0;
  return {
    name: "memory",
    read: async () => {
      const entries = log.slice(next);
      next = log.length;
      return entries;
    },
    append: async (entries) => {
      log.push(...entries);
    },
    close: async () => undefined,
  };
}
