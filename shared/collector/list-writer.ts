/** Writes a list part by part, so that what is in memory of it does not grow with it. */
import { putSealedOnce } from '../blockstore/repository';
import { type CycleList, encodeCollectorRecord } from '../format/collector-records';
import type { ObjectRef } from '../format/records';
import { digestOf, tenantPrefix } from '../format/store-keys';
import { encodeUnitList, type ListedUnit, listPartUnitsMax } from '../format/unit-list';
import { AppError } from '../model/errors';
import type { CollectorContext } from './context';

export class ListWriter {
  private open: ListedUnit[] = [];
  private readonly parts: { key: string; digest: string; units: number }[] = [];
  private units = 0;
  private bytes = 0;

  /** `prefix`: full key prefix that nobody else writes under. `dry`: counts, and writes nothing. */
  constructor(
    private readonly context: CollectorContext,
    private readonly prefix: string,
    private readonly dry = false,
  ) {}

  get tally(): { readonly units: number; readonly bytes: number } {
    return { units: this.units, bytes: this.bytes };
  }

  /** In key order. */
  async add(unit: ListedUnit): Promise<void> {
    this.units++;
    this.bytes += unit.sizeBytes;
    if (this.dry) return;
    this.open.push(unit);
    if (this.open.length >= listPartUnitsMax) await this.writePart();
  }

  /** Writes what is left and the head; nothing may be added any more. */
  async finish(
    head: Pick<CycleList, 'purpose' | 'epoch'> & Partial<Pick<CycleList, 'listed' | 'marked' | 'gone'>>,
  ): Promise<ObjectRef> {
    if (this.open.length > 0) await this.writePart();
    const list: CycleList = { version: 1, ...head, units: this.units, bytes: this.bytes, parts: this.parts };
    return await this.write('cycle', 'list', encodeCollectorRecord(list));
  }

  private async writePart(): Promise<void> {
    const units = this.open;
    this.open = [];
    const ref = await this.write('units', String(this.parts.length), encodeUnitList(units));
    this.parts.push({ ...ref, units: units.length });
  }

  private async write(kind: 'cycle' | 'units', name: string, plaintext: Buffer): Promise<ObjectRef> {
    const { repository, signal } = this.context;
    const key = this.prefix + name;
    const put = await putSealedOnce(repository, 'control', { kind, key }, plaintext, signal);
    if (!put.written) throw new AppError('store.conflict', `${key} exists with another content`);
    return { key: key.slice(tenantPrefix(repository.tenant).length), digest: digestOf(put.stored) };
  }
}
