// A small cache that forgets what was used longest ago. Programs are kept by the structure or the shapes they are for.

export class Cache<T> {
  readonly #entries = new Map<string, T>();
  readonly #capacity: number;
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** What is kept under this key, made by `make` when there is nothing. */
  get(key: string, make: () => T): T {
    const found = this.#entries.get(key);
    if (found !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, found);
      return found;
    }
    const made = make();
    this.#entries.set(key, made);
    if (this.#entries.size > this.#capacity) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest as string);
    }
    return made;
  }

  get size(): number {
    return this.#entries.size;
  }
}
