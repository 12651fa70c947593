// minibatch/search: spaces, strategies, pruners, studies and what they find.
export type { Objective } from "./attempt.ts";
export { type Box, coarseToFine } from "./coarse-to-fine.ts";
export type { Importance } from "./importance.ts";
export { journal } from "./journal.ts";
export { type OpenOptions, openStudy, type Study } from "./open.ts";
export { type Priority, priorities, type Rank, type SuggestedSpace, suggestSpace } from "./priorities.ts";
export { medianPruner, type Pruner, type Reporting, successiveHalving } from "./pruners.ts";
export type { Recheck, Rechecked, RecheckOptions } from "./recheck.ts";
export type { NumberKind, SearchedParameter, TrialRecord } from "./record.ts";
export type { StudyResult } from "./result.ts";
export { gridSearch, quasiRandom, randomSearch } from "./samplers.ts";
export {
  choice,
  type Dimension,
  integer,
  list,
  logInteger,
  logUniform,
  type OneOf,
  oneMinusLogUniform,
  oneOf,
  type Parameter,
  type Params,
  type SomeParams,
  type Space,
  uniform,
} from "./space.ts";
export { type Entry, memoryStorage, type Owner, type Storage } from "./storage.ts";
export type { Asking, Direction, Past, Proposal, Strategy } from "./strategy.ts";
export { type StudyOptions, type StudySoFar, study } from "./study.ts";
export { type TpeOptions, tpe } from "./tpe.ts";
export { type AskedTrial, type Trial, type TrialCheckpoints, TrialPruned } from "./trial.ts";
