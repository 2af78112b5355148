/**
 * A timer trigger: one run at a time, the schedule's state on disk.
 *
 * An occurrence that passed while the host was down runs once, late, with `isPastDue`; several missed ones are one
 * run, as in Azure. The next occurrence is fixed before a run and counted from now, so a slow run skips, never stacks.
 */
import type { Database } from '../durable/database';
import type { KnownFunction } from '../function-table';
import { type Log, messageOf } from '../log';
import { parseSchedule, type Schedule } from './schedule';

export interface TimerTriggerOptions {
  readonly db: Database;
  readonly known: KnownFunction;
  /** The schedule with settings already filled in. */
  readonly scheduleText: string;
  /** Runs the function with the trigger's JSON text. */
  readonly run: (known: KnownFunction, triggerJson: string) => Promise<void>;
  readonly log: Log;
}

interface TimerRow {
  readonly schedule: string;
  readonly lastAt: string | null;
  readonly nextAt: string;
  readonly updatedAt: string;
}

/** Alarms further away are approached in steps, because `setTimeout` overflows. */
const ALARM_MS_MAX = 3_600_000;

export class TimerTrigger {
  readonly #options: TimerTriggerOptions;
  readonly #schedule: Schedule;
  #alarm: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** Throws when the schedule is malformed. */
  constructor(options: TimerTriggerOptions) {
    this.#options = options;
    this.#schedule = parseSchedule(options.scheduleText);
  }

  start(): void {
    const { known, scheduleText } = this.#options;
    const row = this.#load();
    if (row === undefined || row.schedule !== scheduleText) {
      this.#save(row?.lastAt ?? null, this.#schedule.next(new Date()));
    }
    if (known.trigger['runOnStartup'] === true) {
      void this.#tick(false);
    } else {
      this.#arm();
    }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#alarm);
  }

  /** A run by hand: it does not touch the schedule. */
  async runNow(): Promise<void> {
    await this.#call(false);
  }

  #arm(): void {
    if (this.#isStopped) {
      return;
    }
    const nextAtMs = Date.parse(this.#load()?.nextAt ?? '');
    const delayMs = nextAtMs - Date.now();
    const usesMonitor = this.#options.known.trigger['useMonitor'] !== false;
    if (delayMs < 0 && !usesMonitor) {
      this.#save(null, this.#schedule.next(new Date()));
      this.#arm();
      return;
    }
    this.#alarm = setTimeout(
      () => {
        if (Date.now() < nextAtMs) {
          this.#arm();
        } else {
          void this.#tick(Date.now() - nextAtMs > LATE_MS);
        }
      },
      Math.min(Math.max(delayMs, 0), ALARM_MS_MAX),
    );
  }

  async #tick(isPastDue: boolean): Promise<void> {
    // Before the run: a host killed in the middle of it does not repeat the occurrence, as in Azure.
    const now = new Date();
    this.#save(now.toISOString(), this.#schedule.next(now));
    await this.#call(isPastDue);
    this.#arm();
  }

  async #call(isPastDue: boolean): Promise<void> {
    const { known, run, log } = this.#options;
    const row = this.#load();
    // PascalCase is the host's form; @azure/functions turns it into the documented camelCase.
    const trigger = {
      Schedule: { AdjustForDST: true },
      ScheduleStatus: row && {
        Last: row.lastAt ?? '0001-01-01T00:00:00Z',
        Next: row.nextAt,
        LastUpdated: row.updatedAt,
      },
      IsPastDue: isPastDue,
    };
    try {
      await run(known, JSON.stringify(trigger));
    } catch (error) {
      const functionName = known.info.name;
      log({ level: 'error', category: 'host.timer', message: messageOf(error), functionName });
    }
  }

  #load(): TimerRow | undefined {
    return this.#options.db.get<TimerRow>('SELECT * FROM timers WHERE name = ?', this.#options.known.info.name);
  }

  #save(lastAt: string | null, nextAt: Date): void {
    const { db, known, scheduleText } = this.#options;
    db.run(
      'INSERT OR REPLACE INTO timers (name, schedule, lastAt, nextAt, updatedAt) VALUES (?, ?, ?, ?, ?)',
      ...[known.info.name, scheduleText, lastAt, nextAt.toISOString(), new Date().toISOString()],
    );
  }
}

/** An alarm a little late is the machine's jitter, not a missed run. */
const LATE_MS = 1_000;
