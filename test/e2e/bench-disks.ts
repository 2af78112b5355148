/** What the probes make in Azure, and its removal: every snapshot, disk and access, also after a probe that failed. */
import { randomBytes } from 'node:crypto';
import type { AzureTarget } from '../conformance/azure-target';

type Access = 'Read' | 'Write';
type Kind = 'snapshots' | 'disks';

export class BenchDisks {
  readonly #made: { kind: Kind; name: string }[] = [];
  readonly #prefix = `blockferry-e2e-${randomBytes(4).toString('hex')}`;

  constructor(readonly target: AzureTarget) {}

  async snapshotOf(sourceResourceId: string): Promise<string> {
    const { client, resourceGroup, location } = this.target;
    const name = this.#name('snapshots');
    const creationData = { createOption: 'Copy', sourceResourceId };
    await client.snapshots.createOrUpdate(
      resourceGroup,
      name,
      { location, incremental: true, creationData },
      this.#pace(),
    );
    return name;
  }

  /** Name and id of a disk of so many GiB without data, or of one that takes an upload of so many bytes. */
  async disk(
    of: { readonly emptyGib: number } | { readonly uploadBytes: number },
  ): Promise<{ name: string; id: string }> {
    const { client, resourceGroup, location } = this.target;
    const name = this.#name('disks');
    const body =
      'emptyGib' in of
        ? { diskSizeGB: of.emptyGib, creationData: { createOption: 'Empty' } }
        : { creationData: { createOption: 'Upload', uploadSizeBytes: of.uploadBytes } };
    const made = await client.disks.createOrUpdate(resourceGroup, name, { location, ...body }, this.#pace());
    return { name, id: made.id ?? '' };
  }

  async grow(name: string, gib: number): Promise<void> {
    const { client, resourceGroup } = this.target;
    await client.disks.update(resourceGroup, name, { diskSizeGB: gib }, this.#pace());
  }

  async grant(kind: Kind, name: string, access: Access = 'Read'): Promise<string> {
    const { client, resourceGroup } = this.target;
    const wish = { access, durationInSeconds: 900 };
    return (await client[kind].grantAccess(resourceGroup, name, wish, this.#pace())).accessSAS ?? '';
  }

  async revoke(kind: Kind, name: string): Promise<void> {
    await this.target.client[kind].revokeAccess(this.target.resourceGroup, name, this.#pace());
  }

  async remove(kind: Kind, name: string): Promise<void> {
    await this.revoke(kind, name).catch(() => undefined); // none was granted
    await this.target.client[kind].delete(this.target.resourceGroup, name, this.#pace());
  }

  /** Names of what could not be removed. */
  async removeAll(): Promise<string[]> {
    const stubborn: string[] = [];
    for (const { kind, name } of this.#made.splice(0).reverse()) {
      await this.remove(kind, name).catch(() => stubborn.push(`${kind}/${name}`)); // a 404 is none: deleting is idempotent
    }
    return stubborn;
  }

  #name(kind: Kind): string {
    const name = `${this.#prefix}-${this.#made.length}`;
    this.#made.push({ kind, name });
    return name;
  }

  #pace() {
    return { updateIntervalInMs: this.target.updateIntervalInMs };
  }
}
