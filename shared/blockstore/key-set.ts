/** An exact set of 16-byte keys that are evenly spread (random ids, digests): 16 bytes an entry in one table, no objects. */
import { assert } from '../base/assert';

const WORDS = 4;
export const keySetBytes = WORDS * 4;
const LOAD_MAX = 0.7;
const CAPACITY_MIN = 1024;
/** Some 1.4 GiB: whoever comes near it has to work in parts. */
const ENTRIES_MAX = 64 * 1024 * 1024;

export class KeySet {
  private words = new Uint32Array(CAPACITY_MIN * WORDS);
  private used = 0;
  /** The key of zeros marks a free place and is kept apart. */
  private hasZero = false;

  get size(): number {
    return this.used + (this.hasZero ? 1 : 0);
  }

  /** True when the key is new. */
  add(key: Buffer): boolean {
    assert(key.length >= keySetBytes, 'a key has 16 bytes');
    if (isZero(key)) {
      const isNew = !this.hasZero;
      this.hasZero = true;
      return isNew;
    }
    if (this.used + 1 > (this.words.length / WORDS) * LOAD_MAX) this.grow();
    const at = this.find(key);
    if (this.isTaken(at)) return false;
    for (let word = 0; word < WORDS; word++) this.words[at + word] = key.readUInt32LE(word * 4);
    this.used++;
    return true;
  }

  has(key: Buffer): boolean {
    return isZero(key) ? this.hasZero : this.isTaken(this.find(key));
  }

  /** Where the key is, or the free place where it would go. */
  private find(key: Buffer): number {
    const [a, b, c, d] = [key.readUInt32LE(0), key.readUInt32LE(4), key.readUInt32LE(8), key.readUInt32LE(12)];
    const { words } = this;
    let at = Math.floor((a / 2 ** 32) * (words.length / WORDS)) * WORDS;
    while (this.isTaken(at)) {
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return at;
      at = at + WORDS === words.length ? 0 : at + WORDS;
    }
    return at;
  }

  private isTaken(at: number): boolean {
    const { words } = this;
    return words[at] !== 0 || words[at + 1] !== 0 || words[at + 2] !== 0 || words[at + 3] !== 0;
  }

  private grow(): void {
    assert(this.used < ENTRIES_MAX, `a set of more than ${ENTRIES_MAX} keys`);
    const old = this.words;
    this.words = new Uint32Array(old.length * 2);
    this.used = 0;
    const key = Buffer.alloc(keySetBytes);
    for (let at = 0; at < old.length; at += WORDS) {
      for (let word = 0; word < WORDS; word++) key.writeUInt32LE(old[at + word] ?? 0, word * 4);
      if (!isZero(key)) this.add(key);
    }
  }
}

const isZero = (key: Buffer): boolean =>
  key.readUInt32LE(0) === 0 && key.readUInt32LE(4) === 0 && key.readUInt32LE(8) === 0 && key.readUInt32LE(12) === 0;
