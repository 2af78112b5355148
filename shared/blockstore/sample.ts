/** Random choice that can be repeated: a seeded generator, and a sample of k out of a stream of unknown length. */
import { createHash } from 'node:crypto';

/** Numbers in [0, 1) from a seed text (xorshift128 over its SHA-256). For sampling, never for keys. */
export function seededRandom(seed: string): () => number {
  const digest = createHash('sha256').update(seed).digest();
  let [a, b, c, d] = [0, 4, 8, 12].map((at) => digest.readUInt32LE(at) | 1) as [number, number, number, number];
  return () => {
    const t = a ^ (a << 11);
    [a, b, c] = [b, c, d];
    d = d ^ (d >>> 19) ^ t ^ (t >>> 8);
    return (d >>> 0) / 2 ** 32;
  };
}

/**
 * A uniform sample of `size` positions from runs of positions, without visiting each (Li's algorithm L): the cost is that of
 * the positions taken, so a disk of a billion blocks costs no more than its runs.
 */
export class RunSampler<Item> {
  readonly taken: Item[] = [];
  private weight: number;
  /** Positions to pass over before the next one is taken. */
  private skip: number;

  constructor(
    private readonly size: number,
    private readonly random: () => number,
  ) {
    this.weight = this.nextWeight(1);
    this.skip = 0;
  }

  /** `count` positions; `make` turns one of them, [0, count), into an item. */
  add(count: number, make: (position: number) => Item): void {
    let position = 0;
    while (position < count && this.taken.length < this.size) {
      this.taken.push(make(position++));
      if (this.taken.length === this.size) this.skip = this.nextSkip();
    }
    if (this.size === 0) return;
    while (position < count) {
      const left = count - position;
      if (this.skip >= left) {
        this.skip -= left;
        return;
      }
      position += this.skip;
      this.taken[Math.floor(this.random() * this.size)] = make(position++);
      this.weight = this.nextWeight(this.weight);
      this.skip = this.nextSkip();
    }
  }

  private nextWeight(weight: number): number {
    return weight * Math.exp(Math.log(this.positive()) / Math.max(1, this.size));
  }

  private nextSkip(): number {
    return Math.floor(Math.log(this.positive()) / Math.log(1 - this.weight));
  }

  private positive(): number {
    return Math.max(this.random(), 2 ** -33);
  }
}
