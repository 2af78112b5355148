/**
 * What was loaded, kept while there is room, least recently used first out. Whoever asks for what is being loaded waits for
 * that load. A load belongs to the cache and not to its first caller: one who gives up must not fail the others.
 */
export interface LoadingCacheOptions<Value> {
  /** The sum of weights that is kept; what is being loaded comes on top. */
  readonly weightMax: number;
  readonly weigh: (value: Value) => number;
}

export class LoadingCache<Value> {
  private readonly kept = new Map<string, { readonly value: Value; readonly weight: number }>();
  private readonly loading = new Map<string, Promise<Value>>();
  private weight = 0;

  constructor(private readonly options: LoadingCacheOptions<Value>) {}

  /** Kept or on its way? Does not count as a use. */
  has(key: string): boolean {
    return this.kept.has(key) || this.loading.has(key);
  }

  /** A failed load is not remembered: the next caller tries again. */
  get(key: string, load: () => Promise<Value>): Promise<Value> {
    const held = this.kept.get(key);
    if (held) {
      this.kept.delete(key);
      this.kept.set(key, held);
      return Promise.resolve(held.value);
    }
    const known = this.loading.get(key);
    if (known) return known;
    const started = load().then(
      (value) => {
        this.loading.delete(key);
        this.keep(key, value);
        return value;
      },
      (error: unknown) => {
        this.loading.delete(key);
        throw error;
      },
    );
    this.loading.set(key, started);
    return started;
  }

  clear(): void {
    this.kept.clear();
    this.weight = 0;
  }

  private keep(key: string, value: Value): void {
    const weight = this.options.weigh(value);
    this.kept.set(key, { value, weight });
    this.weight += weight;
    for (const [oldest, entry] of this.kept) {
      if (this.weight <= this.options.weightMax) break;
      this.kept.delete(oldest);
      this.weight -= entry.weight;
    }
  }
}
