// What a table of functions is. A function takes what tfjs's takes and gives tensors of the facade.
export type Table = Readonly<Record<string, (...args: never[]) => unknown>>;
