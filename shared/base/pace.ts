/**
 * How many requests to one service may be under way. Neither Azure nor S3 publishes a figure that holds, and both answer 503
 * or 429 beyond it, so the number is found by trying: plus one for a full round without complaint, halved at a complaint.
 * Shared by everyone in the process who talks to that service.
 */
export class Pace {
  private allowed: number;
  private running = 0;
  private calm = 0;
  /** Counts the halvings: complaints about requests that began before the last one say nothing new. */
  private halvings = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly max: number) {
    this.allowed = max;
  }

  /** Runs as soon as there is room; `isComplaint` tells from an error whether the service asked for less. */
  async run<Result>(
    signal: AbortSignal,
    isComplaint: (error: unknown) => boolean,
    work: () => Promise<Result>,
  ): Promise<Result> {
    await this.enter(signal);
    const begun = this.halvings;
    try {
      const result = await work();
      this.calm += 1;
      if (this.calm >= this.allowed && this.allowed < this.max) {
        this.allowed += 1;
        this.calm = 0;
      }
      return result;
    } catch (error) {
      if (isComplaint(error) && begun === this.halvings) {
        this.halvings += 1;
        this.allowed = Math.max(1, Math.floor(this.allowed / 2));
        this.calm = 0;
      }
      throw error;
    } finally {
      this.running -= 1;
      this.wake();
    }
  }

  get limit(): number {
    return this.allowed;
  }

  private async enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (this.running >= this.allowed) {
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          signal.removeEventListener('abort', stop);
          resolve();
        };
        const stop = (): void => {
          this.waiting.splice(this.waiting.indexOf(go), 1);
          reject(signal.reason);
        };
        this.waiting.push(go);
        signal.addEventListener('abort', stop, { once: true });
      });
    }
    this.running += 1;
  }

  private wake(): void {
    for (let room = this.allowed - this.running; room > 0; room--) this.waiting.shift()?.();
  }
}
