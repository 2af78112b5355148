/** A number of bytes that may be in use at a time, first come first served. What is waited for can be given up. */
import { assert } from '../base/assert';

interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

export class ByteBudget {
  private held = 0;
  private peak = 0;
  private readonly waiting: Waiting[] = [];

  constructor(
    readonly name: string,
    readonly maxBytes: number,
  ) {}

  get heldBytes(): number {
    return this.held;
  }

  /** The most that was ever held. */
  get peakBytes(): number {
    return this.peak;
  }

  /** Resolves with the function that gives the bytes back (once; later calls do nothing). */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    assert(bytes >= 0 && bytes <= this.maxBytes, `${bytes} bytes are more than all of ${this.name} (${this.maxBytes})`);
    signal.throwIfAborted();
    // Who came first goes first, also when something smaller would fit: a large wish must not starve.
    if (this.waiting.length > 0 || this.held + bytes > this.maxBytes) await this.wait(bytes, signal);
    else this.hold(bytes);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.held -= bytes;
      this.wake();
    };
  }

  private wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        this.wake();
        reject(signal.reason);
      };
      const entry: Waiting = {
        bytes,
        go: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.waiting.push(entry);
    });
  }

  private wake(): void {
    for (let next = this.waiting[0]; next && this.held + next.bytes <= this.maxBytes; next = this.waiting[0]) {
      this.waiting.shift();
      this.hold(next.bytes);
      next.go();
    }
  }

  private hold(bytes: number): void {
    this.held += bytes;
    this.peak = Math.max(this.peak, this.held);
  }
}
