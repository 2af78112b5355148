import { execFileSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { isVhdFooter, vhdFooter } from '../../shared/azure/vhd-footer';
import { GIB, MIB } from '../../shared/model/limits';

function hasQemu(): boolean {
  try {
    execFileSync('qemu-img', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe('VHD footer', () => {
  test('is the same for the same disk, whoever writes it, and another for another disk', () => {
    expect(vhdFooter(64 * MIB, 'a').equals(vhdFooter(64 * MIB, 'a'))).toBe(true);
    expect(vhdFooter(64 * MIB, 'a').equals(vhdFooter(64 * MIB, 'b'))).toBe(false);
  });

  test('is recognised for every size, and no longer after one bit has changed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 * 1024 * 1024 }), fc.nat(84 * 8 - 1), (mebibytes, bit) => {
        const footer = vhdFooter(mebibytes * MIB, 'disk');
        expect(isVhdFooter(footer)).toBe(true);
        footer[bit >> 3] = (footer[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(isVhdFooter(footer)).toBe(false);
      }),
    );
  });

  test('zeros, and what a VHDX ends with, are none', () => {
    expect(isVhdFooter(Buffer.alloc(512))).toBe(false);
    expect(isVhdFooter(Buffer.from('vhdxfile'.padEnd(512)))).toBe(false);
    expect(isVhdFooter(Buffer.alloc(0))).toBe(false);
  });

  test('makes an image that qemu-img, where there is one, reads with the right size', () => {
    if (!hasQemu()) return;
    const directory = mkdtempSync(join(tmpdir(), 'blockferry-vhd-'));
    try {
      for (const size of [20 * MIB, 129 * MIB, 1031 * MIB, 200 * GIB]) {
        const file = join(directory, `${size}.vhd`);
        const handle = openSync(file, 'w');
        writeSync(handle, vhdFooter(size, 'disk'), 0, 512, size);
        truncateSync(file, size + 512);
        const info: unknown = JSON.parse(
          execFileSync('qemu-img', ['info', '--output=json', '-f', 'vpc', file], {
            encoding: 'utf8',
          }),
        );
        expect(info).toMatchObject({ format: 'vpc', 'virtual-size': size });
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
