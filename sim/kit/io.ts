/** How anything leaves a simulated process: a request that the scheduler carries out, and a reply that it brings back. */
import type { FaultKind, Faults } from './faults';
import type { Random } from './random';
import type { Actor, Entry, Scheduler } from './scheduler';

export interface IoRequest<Result> {
  readonly actor: Actor;
  readonly label: string;
  /** Kinds that can happen to it. */
  readonly faults: readonly FaultKind[];
  /** What happens where the request arrives. Throwing is an answer too. */
  readonly effect: (fault: FaultKind | undefined) => Result;
  /** The error of a request without an answer, or with a refusal. */
  readonly failure: (fault: FaultKind) => Error;
  readonly signal?: AbortSignal | undefined;
}

/** How long a late request or reply takes at most. */
const LATE_MS_MAX = 90_000;
/** Replies that are steps of their own, so that others come between an effect and its news. */
const APART = 0.25;

export class Io {
  constructor(
    readonly scheduler: Scheduler,
    readonly faults: Faults,
    readonly random: Random,
  ) {}

  request<Result>(request: IoRequest<Result>): Promise<Result> {
    const { actor, label, signal } = request;
    if (!actor.alive) return new Promise(() => undefined);
    const fault = this.faults.pick(request.faults);
    const name = fault ? `${label} !${fault}` : label;
    return new Promise<Result>((resolve, reject) => {
      let open = true;
      let entry: Entry | undefined;
      const onAbort = (): void => {
        settle(() => reject(abortError()));
        // A request that was given up may have been sent already.
        if (entry && this.random.chance(0.5)) this.scheduler.cancel(entry);
      };
      const settle = (finish: () => void): void => {
        if (!open || !actor.alive) return;
        open = false;
        signal?.removeEventListener('abort', onAbort);
        finish();
      };
      if (signal?.aborted) {
        reject(abortError());
        return;
      }
      const answer = (finish: () => void): void => {
        if (fault !== 'slow-reply' && !this.random.chance(APART)) settle(finish);
        else
          this.scheduler.post(actor, `${name} reply`, fault === 'slow-reply' ? this.lateMs() : 0, () => settle(finish));
      };
      entry = this.scheduler.post(actor, name, fault === 'late' ? this.lateMs() : 0, () => {
        if (fault === 'unreachable' || fault === 'refused' || fault === 'conflict-409' || fault === 'expired') {
          answer(() => reject(request.failure(fault)));
          return;
        }
        try {
          const value = request.effect(fault);
          if (fault === 'lost-reply') answer(() => reject(request.failure(fault)));
          else answer(() => resolve(value));
        } catch (error) {
          answer(() => reject(fault === 'lost-reply' ? request.failure(fault) : error));
        }
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** A step without faults. */
  turn(actor: Actor, label: string): Promise<void> {
    return this.request({ actor, label, faults: [], effect: () => undefined, failure: () => new Error('unreachable') });
  }

  private lateMs(): number {
    return this.random.int(LATE_MS_MAX);
  }
}

const abortError = (): Error => Object.assign(new Error('Request aborted'), { name: 'AbortError' });
