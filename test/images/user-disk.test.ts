/** A user's file is taken, or refused with a sentence that says what to do. */
import { mkdirSync, mkdtempSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspectUserDisk, requireUnchanged, UserDiskError } from '../../local/images/user-disk';
import { footerChecksum } from '../../local/images/vhd';

const MIB = 1024 * 1024;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'blockferry-user-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(content: Buffer | string, bytes?: number): string {
  const name = path.join(folder, 'disk.img');
  writeFileSync(name, content);
  if (bytes !== undefined) truncateSync(name, bytes);
  return name;
}

function vhd(diskBytes: number, change: (footer: Buffer) => void = () => undefined): Buffer {
  const footer = Buffer.alloc(512);
  footer.write('conectix', 0, 'latin1');
  footer.writeBigUInt64BE(BigInt(diskBytes), 48);
  footer.writeUInt32BE(2, 60);
  change(footer);
  footer.writeUInt32BE(footerChecksum(footer), 64);
  return Buffer.concat([Buffer.alloc(diskBytes), footer]);
}

test('a raw image of whole MiB is taken', async () => {
  const name = file('boot', 30 * MIB);
  expect(await inspectUserDisk(name)).toMatchObject({ file: name, kind: 'raw', diskBytes: 30 * MIB });
});

test('a fixed VHD is taken without its footer', async () => {
  const name = file(vhd(20 * MIB));
  expect(await inspectUserDisk(name)).toMatchObject({ file: name, kind: 'fixed-vhd', diskBytes: 20 * MIB });
});

test('a file that somebody writes to, or removes, is noticed', async () => {
  const disk = await inspectUserDisk(file('boot', 20 * MIB));
  await expect(requireUnchanged(disk)).resolves.toBeUndefined();
  utimesSync(disk.file, new Date(), new Date(disk.modifiedAtMs + 1000));
  await expect(requireUnchanged(disk)).rejects.toThrow(/disk\.img" was changed by somebody else/);
  rmSync(disk.file);
  await expect(requireUnchanged(disk)).rejects.toThrow(UserDiskError);
});

async function refusal(name: string): Promise<string> {
  const error: unknown = await inspectUserDisk(name).catch((reason: unknown) => reason);
  if (!(error instanceof UserDiskError)) throw new Error('was not refused');
  return error.message;
}

test('missing, empty, a folder', async () => {
  expect(await refusal(path.join(folder, 'absent.img'))).toMatch(/absent\.img" does not exist/);
  expect(await refusal(file(''))).toMatch(/is empty/);
  mkdirSync(path.join(folder, 'sub'));
  expect(await refusal(path.join(folder, 'sub'))).toMatch(/is a folder/);
  expect(await refusal('/dev/null')).toMatch(/neither a file nor a block device/);
});

test('a size that Azure does not take is refused with the command that mends it', async () => {
  expect(await refusal(file('x', 20 * MIB + 512))).toMatch(/20972032 bytes.*multiple of 1 MiB.*truncate -s 21M/);
  expect(await refusal(file('x', 4 * MIB))).toMatch(/4194304 bytes.*less than the 20 MiB.*truncate -s 20M/);
  expect(await refusal(file(vhd(4 * MIB)))).toMatch(/less than the 20 MiB.*resize -f vpc COPY 20M/);
});

test.each([
  ['qcow2', Buffer.from('QFI\xfb', 'latin1')],
  ['VHDX', Buffer.from('vhdxfile')],
  ['VMDK', Buffer.from('KDMV')],
  ['dynamic VHD', Buffer.from('conectix')],
])('%s is refused by name, with the command that converts', async (name, magic) => {
  expect(await refusal(file(magic, MIB))).toMatch(new RegExp(`is a ${name}: .*qemu-img convert -O raw`));
});

test('a dynamic VHD is recognised by its footer as well', async () => {
  expect(await refusal(file(vhd(MIB, (footer) => footer.writeUInt32BE(3, 60))))).toMatch(/dynamic VHD/);
});

test('a VHD with a wrong checksum or size is called damaged', async () => {
  const flipped = vhd(MIB);
  flipped.writeUInt8(flipped.readUInt8(MIB + 100) ^ 1, MIB + 100);
  const message = await refusal(file(flipped));
  expect(message).toMatch(/damaged VHD: the checksum/);
  // qemu-img would take the footer for a part of the disk.
  expect(message).not.toContain('convert');
  expect(await refusal(file(vhd(MIB, (footer) => footer.writeBigUInt64BE(5n, 48))))).toMatch(
    /footer speaks of 5 bytes/,
  );
});
