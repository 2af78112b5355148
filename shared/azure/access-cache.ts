/**
 * SAS access to snapshots and upload disks, one per resource and process. Azure hands the same url to everyone who asks while
 * one is active, so asking again is a renewal, and nobody here revokes: the control plane owns that. Urls stay in memory.
 */
import { type Clock, systemClock } from '../base/clock';
import { Pace } from '../base/pace';
import type { RetryRule } from '../base/retry';
import { AppError } from '../model/errors';
import type { Arm } from './arm';
import { assertSasHost } from './sas-host';
import { findDisk } from './upload-disks';

export interface AccessTarget {
  readonly type: 'snapshots' | 'disks';
  readonly id: string;
}

export interface Access {
  readonly url: string;
  /** Counts the grants: tells a renewed access from the one that failed although the url is the same. */
  readonly generation: number;
}

export interface AccessSettings {
  readonly accessSeconds: number;
  /** Requests under way per SAS. */
  readonly concurrency: number;
  readonly hostSuffixes: readonly string[];
  readonly allowLoopback: boolean;
  readonly clock?: Clock;
  /** Five snapshots of a family may have a SAS at one time: the sixth waits for another's end. */
  readonly limitRule?: RetryRule;
}

interface Entry {
  readonly pace: Pace;
  access: Access | undefined;
  renewAtMs: number;
  pending: Promise<Access> | undefined;
}

/** Targets remembered; far above what one proxy works on at a time. */
const ENTRIES_MAX = 512;
const LIMIT_RULE: RetryRule = { attemptsMax: 24, firstDelayMs: 1000, delayMsMax: 20_000 };

export class AccessCache {
  private readonly entries = new Map<string, Entry>();
  private readonly clock: Clock;

  constructor(
    private readonly arm: Arm,
    private readonly settings: AccessSettings,
  ) {
    this.clock = settings.clock ?? systemClock;
  }

  paceOf(target: AccessTarget): Pace {
    return this.entry(target).pace;
  }

  /** Runs with urls of all targets; when Azure refuses them, grants them anew once and runs again. `access.denied` after that. */
  async using<Result>(
    targets: readonly AccessTarget[],
    signal: AbortSignal,
    run: (urls: readonly string[]) => Promise<Result>,
  ): Promise<Result> {
    let accesses = await Promise.all(targets.map((target) => this.current(target, signal)));
    for (let renewals = 0; ; renewals++) {
      try {
        return await run(accesses.map((access) => access.url));
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'access.expired') throw error;
        if (renewals >= 1) {
          throw new AppError(
            'access.denied',
            'Azure refuses an access it has just granted; check network rules of the disk',
            {
              retryable: true,
            },
          );
        }
        const failed = accesses;
        accesses = await Promise.all(targets.map((target, index) => this.renew(target, failed[index], signal)));
      }
    }
  }

  private async current(target: AccessTarget, signal: AbortSignal): Promise<Access> {
    const entry = this.entry(target);
    if (entry.access && this.clock.monotonicMs() < entry.renewAtMs) return entry.access;
    return orAbort(this.grant(target, entry), signal);
  }

  private async renew(target: AccessTarget, failed: Access | undefined, signal: AbortSignal): Promise<Access> {
    const entry = this.entry(target);
    if (entry.access && entry.access.generation > (failed?.generation ?? 0)) return entry.access;
    return orAbort(this.grant(target, entry), signal);
  }

  /** One grant at a time and target; callers share it, so it runs under its own deadline and not under one caller's signal. */
  private grant(target: AccessTarget, entry: Entry): Promise<Access> {
    entry.pending ??= this.ask(target)
      .then((url) => {
        entry.access = { url, generation: (entry.access?.generation ?? 0) + 1 };
        entry.renewAtMs = this.clock.monotonicMs() + this.settings.accessSeconds * 800; // with a fifth of its life left
        return entry.access;
      })
      .finally(() => {
        entry.pending = undefined;
      });
    return entry.pending;
  }

  private async ask(target: AccessTarget): Promise<string> {
    const writing = target.type === 'disks';
    if (writing) await this.refuseFinished(target.id);
    const accessUri = await this.arm.onResource(
      {
        what: writing ? 'granting write access to disk' : 'granting read access to snapshot',
        id: target.id,
        type: target.type,
        meaning: {
          notFound: writing ? 'disk.not-found' : 'snapshot.not-found',
          conflict: 'access.limit',
          conflictRetryable: true,
        },
        conflictRule: this.settings.limitRule ?? LIMIT_RULE,
      },
      async (client, id, parameters) => {
        const wish = { access: writing ? 'Write' : 'Read', durationInSeconds: this.settings.accessSeconds };
        return client[target.type]
          .grantAccess(id.resourceGroup, id.name, wish, parameters)
          .pollUntilDone({ abortSignal: parameters.abortSignal });
      },
    );
    const url = accessUri.accessSAS;
    if (!url) throw new AppError('access.denied', 'Azure granted an access without a url', { retryable: true });
    assertSasHost(url, this.settings);
    return url;
  }

  /** A late second delivery must not open a finished disk for writing again. */
  private async refuseFinished(diskId: string): Promise<void> {
    const disk = await findDisk(this.arm, diskId);
    if (!disk) throw new AppError('disk.not-found', 'the disk to restore to does not exist (any more)');
    if (disk.diskState === 'ReadyToUpload' || disk.diskState === 'ActiveUpload') return;
    throw new AppError(
      'restore.target-invalid',
      `disk ${disk.name} takes no upload: it is ${disk.diskState ?? 'unknown'}`,
    );
  }

  private entry(target: AccessTarget): Entry {
    const key = target.id.toLowerCase();
    const known = this.entries.get(key);
    if (known) {
      this.entries.delete(key); // re-inserted below: the oldest use is first
      this.entries.set(key, known);
      return known;
    }
    const entry: Entry = {
      pace: new Pace(this.settings.concurrency),
      access: undefined,
      renewAtMs: 0,
      pending: undefined,
    };
    this.entries.set(key, entry);
    for (const oldest of this.entries.keys()) {
      if (this.entries.size <= ENTRIES_MAX) break;
      this.entries.delete(oldest);
    }
    return entry;
  }
}

async function orAbort<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    if (stop) signal.removeEventListener('abort', stop);
  }
}
