/** What came back is judged against the right bytes: a VHD without its footer, a user's file only while it is at rest. */
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compareDisk } from '../../local/demo/compare';
import type { DemoDisk } from '../../local/demo/machines';
import { chooseFileSystem } from '../../local/images/file-systems';
import { findTool } from '../../local/images/tools';
import { inspectUserDisk } from '../../local/images/user-disk';
import { footerChecksum } from '../../local/images/vhd';

const DISK_BYTES = 20 * 1024 * 1024;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'blockferry-compare-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A user's fixed VHD with a comma and a space in its name, and the image that came back. */
async function restoredVhd(restored: Buffer): Promise<{ readonly disk: DemoDisk; readonly image: string }> {
  const footer = Buffer.alloc(512);
  footer.write('conectix', 0, 'latin1');
  footer.writeBigUInt64BE(BigInt(DISK_BYTES), 48);
  footer.writeUInt32BE(2, 60);
  footer.writeUInt32BE(footerChecksum(footer), 64);
  const file = path.join(folder, 'my disk, old.vhd');
  writeFileSync(file, Buffer.concat([Buffer.alloc(DISK_BYTES, 'data'), footer]));
  const image = path.join(folder, 'restored.img');
  writeFileSync(image, restored);
  const userDisk = await inspectUserDisk(file);
  return { disk: { name: 'd', lun: 0, image: file, diskBytes: DISK_BYTES, sample: undefined, userDisk }, image };
}

const judges = findTool('qemu-img') ? ['bytes', 'qemu-img'] : ['bytes'];

test('a VHD is equal to the image of its disk, to all judges', async () => {
  const { disk, image } = await restoredVhd(Buffer.alloc(DISK_BYTES, 'data'));
  expect(await compareDisk(chooseFileSystem(), disk, image, 'first point')).toMatchObject({ judges, problems: [] });
});

test('one wrong byte is found by each of them', async () => {
  const content = Buffer.alloc(DISK_BYTES, 'data');
  content.writeUInt8(1, DISK_BYTES - 1);
  const { disk, image } = await restoredVhd(content);
  const { problems } = await compareDisk(chooseFileSystem(), disk, image, 'first point');
  expect(problems).toHaveLength(judges.length);
  expect(problems[0]).toBe(`differs from byte ${DISK_BYTES - 1} on`);
});

test('of a file that was written to meanwhile this is said first', async () => {
  const { disk, image } = await restoredVhd(Buffer.alloc(DISK_BYTES, 'data'));
  appendFileSync(disk.image, 'x');
  const { problems } = await compareDisk(chooseFileSystem(), disk, image, 'first point');
  expect(problems[0]).toMatch(/was changed by somebody else/);
});
