/**
 * What goes wrong, from the seed. Each run has its own subset of kinds and its own rate (swarm testing: a run in which
 * everything fails a little seldom comes as far as one in which two things fail often).
 */
import type { Random } from './random';

export const faultKinds = [
  /** The request arrives and is answered, the answer does not. */
  'lost-reply',
  /** The connection fails, nothing arrived. */
  'unreachable',
  /** 500, 503, SlowDown or 429. */
  'refused',
  /** The request arrives late: after others, or after its caller has given up. */
  'late',
  /** The answer is late. */
  'slow-reply',
  /** The client itself repeats a conditional write that took effect: 412 after one's own success. */
  'own-412',
  /** 409 ConditionalRequestConflict. */
  'conflict-409',
  /** ExpiredToken, or a SAS that is refused. */
  'expired',
  /** A body that ends early, cleanly. */
  'short-body',
  /** The answer is for another range, or is no listing. */
  'wrong-answer',
  /** A bit flips on the way. */
  'bit-flip',
  /** A bit flips in our memory between sealing and storing. */
  'memory-flip',
  /** A compute thread dies. */
  'thread-lost',
  /** A step of a job runs twice at the same time. */
  'twice',
  /** A message of the queue is delivered to two. */
  'doubled-message',
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface FaultSettings {
  /** No fault of these kinds. */
  readonly off: ReadonlySet<FaultKind>;
  /** No more than so many. */
  readonly max: number;
}

const RATES = [0, 0.01, 0.03, 0.08, 0.15];

export class Faults {
  readonly counts = new Map<string, number>();
  /** Every fault stops here: the liveness mode's end of troubles. */
  stopped = false;
  private readonly rate: number;
  private readonly enabled: ReadonlySet<FaultKind>;
  private fired = 0;

  constructor(
    private readonly random: Random,
    private readonly settings: FaultSettings,
  ) {
    this.rate = random.pick(RATES) ?? 0;
    this.enabled = new Set(faultKinds.filter(() => random.chance(0.5)));
  }

  pick(kinds: readonly FaultKind[]): FaultKind | undefined {
    if (this.stopped || !this.random.chance(this.rate)) return undefined;
    const kind = this.random.pick(kinds);
    if (kind === undefined || !this.enabled.has(kind) || this.settings.off.has(kind)) return undefined;
    if (this.fired >= this.settings.max) return undefined;
    this.fired++;
    this.count(kind);
    return kind;
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
