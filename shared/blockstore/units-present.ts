/** Defence in depth: every pack that a manifest names is listed by the store with exactly the size that the manifest says. */
import { boundedMap } from '../base/bounded-map';
import { unitPrefix } from '../format/store-keys';
import type { UnitRef } from '../format/unit-table';
import { AppError } from '../model/errors';
import { type Repository, signalOption } from './repository';

const LISTS_AT_ONCE = 8;

/** Lists only the 1/256ths of the key space that hold a wanted unit. Returns how many objects were listed. */
export async function requireUnits(
  repository: Repository,
  wanted: ReadonlyMap<string, UnitRef & { readonly lun?: string | number }>,
  signal?: AbortSignal,
): Promise<number> {
  const prefixes = [...new Set([...wanted.keys()].map((unit) => unit.slice(0, 2)))].sort();
  const missing = new Set(wanted.keys());
  let listed = 0;
  await boundedMap(prefixes, LISTS_AT_ONCE, async (prefix) => {
    const keys = repository.stores.data.list(unitPrefix(repository.tenant, prefix), signalOption(signal));
    for await (const { key, sizeBytes } of keys) {
      listed++;
      const name = key.slice(key.lastIndexOf('/') + 1);
      const unit = wanted.get(name);
      if (!unit) continue;
      missing.delete(name);
      if (unit.sizeBytes !== sizeBytes) {
        throw new AppError('pack.corrupt', `pack ${name} has ${sizeBytes} bytes, the manifest says ${unit.sizeBytes}`, {
          context: { object: key, ...(unit.lun === undefined ? {} : { lun: unit.lun }) },
        });
      }
    }
  });
  const [first] = missing;
  if (first !== undefined) {
    const lun = wanted.get(first)?.lun;
    throw new AppError('manifest.incomplete', `pack ${first} is not in the store (${missing.size} missing in all)`, {
      context: { unit: first, missing: missing.size, ...(lun === undefined ? {} : { lun }) },
    });
  }
  return listed;
}
