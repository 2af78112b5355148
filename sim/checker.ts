/**
 * The invariants, looked at while a run goes on and at its end. Each violation begins with the number of its invariant in
 * docs/reliability.md.
 */

import { AssertionError } from '../shared/base/assert';
import { loadRestorePoint } from '../shared/blockstore/points';
import type { Repository } from '../shared/blockstore/repository';
import { decodePoint, decodeRegister, type Register } from '../shared/format/records';
import { openObject } from '../shared/format/seal';
import { digestOf } from '../shared/format/store-keys';
import { AppError } from '../shared/model/errors';
import type { Lun } from '../shared/model/machine';
import { jobTag } from '../shared/workflows/dependencies';
import type { Failure } from '../shared/workflows/durable';
import type { BucketEvents } from './cloud/bucket';
import { type Closure, closureOf, openGod, readDisk } from './god';
import { TENANT } from './product/process';
import type { World } from './world';

const DAMAGE: ReadonlySet<string> = new Set([
  'pack.corrupt',
  'block.corrupt',
  'manifest.corrupt',
  'manifest.incomplete',
  'store.not-found',
  // What a bit flipped in a header makes of it: another version, another key's mark.
  'format.unknown',
  'key.wrong',
]);
/** What ends a job although nothing of ours is wrong: it was asked to, or the clouds did not answer for too long. */
const EXCUSES: ReadonlySet<string> = new Set([
  'job.canceled',
  'job.stalled',
  'store.unavailable',
  'cloud.unavailable',
  'cloud.throttled',
  'cloud.timeout',
]);
/** Notes of a point that need a cause. */
const DOUBTS = /audit-mismatch|base-suspect|base-geometry|base-has-no-such-disk|disk-shrunk/;

export class Checker implements BucketEvents {
  readonly violations: string[] = [];
  /** Objects that an operation damaged, as `bucket/key`. */
  readonly damaged = new Set<string>();
  /** Restores under way: what they must give. */
  readonly restores = new Map<string, string>();
  readonly ends = new Map<string, { readonly status: string; readonly code?: string; readonly message?: string }>();
  /** What came out, for the figures. */
  readonly outcomes = new Map<string, number>();
  readonly closures = new Map<string, Closure>();
  private readonly unitsEver = new Set<string>();
  private readonly wrapsEver = new Map<string, string>();
  private readonly registers = new Map<string, Register>();
  private readonly chains = new Map<string, readonly string[]>();
  private doubtedLists = 0;
  catalogLost = false;
  private opened: Promise<Repository> | undefined;

  constructor(private readonly world: World) {}

  violate(what: string): void {
    this.violations.push(what);
    this.world.scheduler.say(`VIOLATION ${what}`);
  }

  unexpected(what: string, error: unknown): void {
    this.violate(`own bug: ${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  count(what: string): void {
    this.outcomes.set(what, (this.outcomes.get(what) ?? 0) + 1);
  }

  god(): Promise<Repository> {
    this.opened ??= openGod(this.world.buckets);
    return this.opened;
  }

  written(bucket: string, key: string, body: Buffer, before: Buffer | undefined): void {
    if (bucket === 'data' && before !== undefined) this.violate(`I-15: ${key} was written over`);
    if (/^t\/[^/]+\/u\//.test(key)) this.unitWritten(key, body);
    const session = /^t\/[^/]+\/s\/([^/]+)\/register$/.exec(key)?.[1];
    if (session !== undefined) this.world.spawn(this.registerWritten(session, key, body));
  }

  deleted(bucket: string, key: string): void {
    if (bucket !== 'data' || this.damaged.has(`${bucket}/${key}`)) return;
    for (const point of this.world.reference.live()) {
      if (this.closures.get(point.id)?.keys.has(key)) this.violate(`I-14: ${key} was deleted, ${point.id} needs it`);
    }
  }

  /** A page list that could not be believed was handed out: a full read has a cause. */
  doubted(): void {
    this.doubtedLists++;
  }

  activityFailed(name: string, failure: Failure, error: unknown): void {
    if (failure.code === 'internal' || error instanceof AssertionError) this.unexpected(`activity ${name}`, error);
  }

  orchestratorFailed(id: string, error: unknown): void {
    if (this.catalogLost) this.count('orchestration failed without its catalog');
    else this.unexpected(`orchestration ${id} failed`, error);
  }

  ended(id: string, name: string, output: unknown): void {
    const end = output as { status?: string; failure?: { code: string; message: string } } | undefined;
    if (end?.status === undefined) return;
    const { code, message } = end.failure ?? {};
    this.ends.set(id, {
      status: end.status,
      ...(code === undefined ? {} : { code }),
      ...(message === undefined ? {} : { message }),
    });
    this.count(`${name} ${end.status}${code === undefined ? '' : ` ${code}`}`);
    const isDamage = code !== undefined && DAMAGE.has(code) && !message?.includes('was not written');
    if (code !== undefined && !isDamage && !EXCUSES.has(code) && code !== 'pack.corrupt' && !this.catalogLost) {
      this.violate(`I-40: ${id} failed for no reason that was given: ${message}`);
    }
    if (isDamage && this.damaged.size === 0) this.violate(`I-02: ${id} found damage where none was done: ${message}`);
  }

  /** A disk was given back to its owner. */
  restored(diskId: string, tags: Readonly<Record<string, string>>, bytes: Buffer): void {
    const pointId = this.restores.get(tags[jobTag] ?? '');
    const lun = /-(os|lun\d+)-[^-/]+$/.exec(diskId)?.[1]?.replace('lun', '');
    if (pointId === undefined || lun === undefined) return;
    const expected = this.world.reference.expected(pointId, lun === 'os' ? 'os' : Number(lun));
    if (!expected?.equals(bytes)) this.violate(`I-01: disk ${lun} of ${pointId} was restored with other bytes`);
    else this.count('disks restored right');
  }

  /** At the end: every point that exists restores to its snapshots, or fails for a damage that was done. */
  async judge(): Promise<void> {
    if (this.registers.size === 0) return;
    const god = await this.god();
    for (const point of this.world.reference.live()) {
      const closure = this.closures.get(point.id);
      // What was damaged between being written and the commit cannot even be walked.
      const excused = closure
        ? [...closure.keys].some((key) => this.damaged.has(`data/${key}`))
        : this.damaged.size > 0;
      try {
        const record = await loadRestorePoint(god, point.vmKey, point.id);
        for (const [lun, expected] of point.disks) {
          const bytes = await readDisk(god, record, (lun === 'os' ? 'os' : Number(lun)) as Lun);
          if (!bytes.equals(expected))
            this.violate(`I-01: disk ${lun} of ${point.id} holds other bytes than its snapshot`);
        }
        this.count('points read back right');
      } catch (error) {
        if (excused && error instanceof AppError && DAMAGE.has(error.code)) this.count('points damaged and said so');
        else
          this.violate(`I-01: ${point.id} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  private unitWritten(key: string, body: Buffer): void {
    if (this.unitsEver.has(key)) this.violate(`I-15: pack ${key} was written twice`);
    this.unitsEver.add(key);
    const wrap = body.subarray(36, 96).toString('hex');
    if (this.wrapsEver.has(wrap)) this.violate(`I-31: the data key of ${key} was used for another pack`);
    this.wrapsEver.set(wrap, key);
  }

  private async registerWritten(session: string, key: string, body: Buffer): Promise<void> {
    const god = await this.god();
    const register = decodeRegister(openObject(god.keys, { kind: 'register', key }, body), key);
    const before = this.registers.get(session);
    this.registers.set(session, register);
    const step = `${before?.state ?? 'none'} -> ${register.state}`;
    if (
      !/^(none -> PENDING|PENDING -> (PENDING|COMMITTED|ABORTED)|COMMITTED -> EXPIRED|EXPIRED -> COMMITTED)$/.test(step)
    ) {
      this.violate(`I-07: register ${session}: ${step}`);
    }
    if (register.state === 'COMMITTED' && before?.state === 'PENDING' && register.kind === 'BACKUP') {
      await this.committed(session, register);
    }
  }

  private async committed(session: string, register: Register): Promise<void> {
    const god = await this.god();
    const stored = Buffer.from(register.point ?? '', 'base64');
    const key = `t/${TENANT}/p/${register.vmKey}/${register.pointId}`;
    const point = decodePoint(openObject(god.keys, { kind: 'point', key }, stored), key);
    if (
      !this.world.reference.commit(
        session,
        register.vmKey,
        point.disks.map(({ lun }) => lun),
      )
    ) {
      this.violate(`I-09: ${session} committed twice`);
    }
    this.count('points committed');
    this.link(point.id, register.vmKey, digestOf(stored), point.previousDigest);
    for (const disk of point.disks) this.note(point.id, disk.lun, disk.fullReason, disk.mode);
    try {
      const closure = await closureOf(god, point);
      this.closures.set(point.id, closure);
      for (const name of closure.keys) {
        if (name !== key && !this.world.buckets.data.current(name) && !this.damaged.has(`data/${name}`)) {
          this.violate(`I-08: ${point.id} was committed without ${name}`);
        }
      }
    } catch (error) {
      if (this.damaged.size === 0) this.unexpected(`the manifests of ${point.id} at its commit`, error);
    }
  }

  /** Points of a VM form one chain: a hole or a fork shows what was lost or added. */
  private link(pointId: string, vmKey: string, digest: string, previous: string | undefined): void {
    const chain = this.chains.get(vmKey) ?? [];
    this.chains.set(vmKey, [...chain, digest]);
    if (this.damaged.size === 0 && previous !== chain.at(-1)) {
      this.violate(
        `I-29: ${pointId} follows ${previous?.slice(0, 8)}, the newest point is ${chain.at(-1)?.slice(0, 8)}`,
      );
    }
  }

  private note(pointId: string, lun: Lun, reason: string | undefined, mode: string): void {
    this.count(
      `disks backed up ${mode}${reason === undefined ? '' : `, ${reason.includes(' ') ? 'by lineage' : reason}`}`,
    );
    if (reason === undefined) return;
    if (reason.includes('bad-ranges') && this.doubtedLists === 0) {
      this.violate(`I-42: disk ${lun} of ${pointId} was read in full, no list was bad`);
    }
    if (reason.includes('base-unreadable') && this.damaged.size === 0) {
      this.violate(`I-42: disk ${lun} of ${pointId} was read in full, its parent is sound`);
    }
    if (DOUBTS.test(reason)) this.violate(`I-42: disk ${lun} of ${pointId}: ${reason} without a cause`);
  }
}
