/**
 * The one owner of time and order. Whatever leaves a process of the simulated product (a request, a sleep, a timer, a
 * computation) is an entry here; the seed picks which entry happens next, and nothing else happens until all that follows
 * from it has come to rest. Promises run on between two steps by themselves, in an order that V8 fixes.
 */
import type { Random } from './random';

/** A process of the product: it can be paused, and it can die, which means that nothing of it ever happens again. */
export class Actor {
  alive = true;
  pausedUntilMs = 0;
  /** Its wall clock is wrong by so much. */
  skewMs = 0;
  /** For schedules by priority: the highest that can run does. */
  priority = 0;

  constructor(readonly name: string) {}
}

export interface Entry {
  readonly actor: Actor;
  readonly label: string;
  readonly dueMs: number;
  readonly run: () => void;
  /** It happens although its actor has died: a request that was under way. */
  outlives: boolean;
}

export type Ending = 'over' | 'idle' | 'steps';

const realSetImmediate = setImmediate;
const settled = (): Promise<void> => new Promise((resolve) => realSetImmediate(resolve));

const TRACE_MAX = 200_000;

export class Scheduler {
  nowMs = 0;
  steps = 0;
  /** Whose code runs now. */
  current: Actor;
  readonly trace: string[] = [];
  private readonly entries: Entry[] = [];
  private readonly actors: Actor[] = [];
  private hashA = 0x811c9dc5;
  private hashB = 0x01000193;
  private nextShuffle = 0;

  constructor(
    private readonly random: Random,
    /** 'even': any entry may be next. 'priority': few changes of who is ahead, which finds what needs one to be far behind. */
    private readonly strategy: 'even' | 'priority',
    private readonly tracing: boolean,
  ) {
    this.current = this.actor('simulation');
  }

  actor(name: string): Actor {
    const actor = new Actor(name);
    actor.priority = this.random.next();
    this.actors.push(actor);
    return actor;
  }

  /** `run` happens once, not before `delayMs` have passed. */
  post(actor: Actor, label: string, delayMs: number, run: () => void): Entry {
    const entry = { actor, label, dueMs: this.nowMs + Math.ceil(delayMs), run, outlives: false };
    if (actor.alive) this.entries.push(entry);
    return entry;
  }

  /** False when it has happened already. */
  cancel(entry: Entry): boolean {
    const at = this.entries.indexOf(entry);
    if (at < 0) return false;
    this.entries.splice(at, 1);
    return true;
  }

  /** Requests under way may still arrive: each with `arrives`. */
  crash(actor: Actor, arrives: (entry: Entry) => boolean): void {
    actor.alive = false;
    for (let at = this.entries.length - 1; at >= 0; at--) {
      const entry = this.entries[at];
      if (entry?.actor !== actor) continue;
      if (arrives(entry)) entry.outlives = true;
      else this.entries.splice(at, 1);
    }
  }

  /** Until `isOver`, or until nothing is left to happen, or for so many steps. */
  async run(isOver: () => boolean, stepsMax: number): Promise<Ending> {
    const last = this.steps + stepsMax;
    for (;;) {
      await settled();
      if (isOver()) return 'over';
      if (this.steps >= last) return 'steps';
      const entry = this.next();
      if (!entry) return 'idle';
      this.steps++;
      this.note(entry);
      this.current = entry.actor;
      entry.run();
    }
  }

  /** Two runs with one hash went through the same steps. */
  get traceHash(): string {
    return [this.hashA, this.hashB].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('');
  }

  private next(): Entry | undefined {
    this.nowMs += 1 + this.random.int(4);
    let ready = this.entries.filter((entry) => this.readyAtMs(entry) <= this.nowMs);
    if (ready.length === 0) {
      const soonest = Math.min(...this.entries.map((entry) => this.readyAtMs(entry)));
      if (!Number.isFinite(soonest)) return undefined;
      this.nowMs = soonest;
      ready = this.entries.filter((entry) => this.readyAtMs(entry) <= soonest);
    }
    const chosen = this.strategy === 'even' ? this.random.pick(ready) : this.foremost(ready);
    if (chosen) this.cancel(chosen);
    return chosen;
  }

  private foremost(ready: readonly Entry[]): Entry | undefined {
    if (this.steps >= this.nextShuffle) {
      this.nextShuffle = this.steps + this.random.between(10, 400);
      for (const actor of this.actors) if (this.random.chance(0.3)) actor.priority = this.random.next();
    }
    const top = Math.max(...ready.map(({ actor }) => actor.priority));
    return this.random.pick(ready.filter(({ actor }) => actor.priority === top));
  }

  private readyAtMs(entry: Entry): number {
    return entry.outlives ? entry.dueMs : Math.max(entry.dueMs, entry.actor.pausedUntilMs);
  }

  private note(entry: Entry): void {
    const line = `${this.nowMs} ${entry.actor.name}: ${entry.label}`;
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      this.hashA = Math.imul(this.hashA ^ code, 0x01000193);
      this.hashB = Math.imul(this.hashB + code, 0x85ebca6b) ^ (this.hashB >>> 13);
    }
    if (this.tracing && this.trace.length < TRACE_MAX) this.trace.push(line);
  }

  /** For what is worth reading in a trace besides the steps. */
  say(line: string): void {
    if (this.tracing && this.trace.length < TRACE_MAX) this.trace.push(`${this.nowMs}   ${line}`);
  }
}
