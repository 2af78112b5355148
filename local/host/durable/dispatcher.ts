/**
 * Runs work by key: at most `limit` keys at once, never one key twice at a time, and once more when a key is woken
 * while it runs. Work that fails because the worker died, or had to be ended for taking too long, is delivered again;
 * everything else is a bug and is logged.
 */
import { type Log, messageOf } from '../log';
import { FunctionTimeoutError, WorkerLostError } from '../worker-process';

export interface DispatcherOptions {
  readonly limit: number;
  readonly log: Log;
  /** `lostCount` says how often the worker has died during this key's work: a key may be what kills it. */
  readonly work: (key: string, lostCount: number) => Promise<void>;
}

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #ready = new Set<string>();
  readonly #running = new Set<string>();
  readonly #lostCounts = new Map<string, number>();
  #isStopped = false;
  #isPumping = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  wake(key: string): void {
    this.#ready.add(key);
    if (!this.#isPumping && !this.#isStopped) {
      this.#isPumping = true;
      // Next tick of the loop: completions that arrive together are taken by one turn.
      setImmediate(() => this.#pump());
    }
  }

  /** No new work starts; what runs ends by itself or is redelivered at the next start. */
  stop(): void {
    this.#isStopped = true;
  }

  #pump(): void {
    this.#isPumping = false;
    for (const key of this.#ready) {
      if (this.#isStopped || this.#running.size >= this.#options.limit) {
        return;
      }
      if (!this.#running.has(key)) {
        this.#ready.delete(key);
        this.#running.add(key);
        void this.#run(key);
      }
    }
  }

  async #run(key: string): Promise<void> {
    try {
      await this.#options.work(key, this.#lostCounts.get(key) ?? 0);
      this.#lostCounts.delete(key);
    } catch (error) {
      if (error instanceof WorkerLostError || error instanceof FunctionTimeoutError) {
        this.#lostCounts.set(key, (this.#lostCounts.get(key) ?? 0) + 1);
        this.#ready.add(key);
      } else if (!this.#isStopped) {
        this.#options.log({ level: 'error', category: 'host.durable', message: `${key}: ${messageOf(error)}` });
      }
    } finally {
      this.#running.delete(key);
      if (!this.#isStopped) {
        this.#pump();
      }
    }
  }
}
