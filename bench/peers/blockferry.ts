/** Ours, measured as the peers are: a process of its own for each backup or restore, with encryption and verification on. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { dataProxyNodeArgs } from '../../shared/app/process-fleet';
import type { Image } from '../images/recipe';
import { folderSize, remove } from '../kit/folders';
import { BenchError, type Measured, measure } from '../kit/shell';
import type { OursAnswer, OursRequest } from '../ours/main';
import type { Tool } from './tool';

export type OursMeasured = Measured & { readonly answer: OursAnswer };

export interface Blockferry extends Tool {
  backup(image: Image, label: string, baseLabel?: string): OursMeasured;
  restore(image: Image, label: string): OursMeasured & { readonly file: string };
}

export function blockferry(folder: string, zstdLevel: number): Blockferry {
  const store = path.join(folder, 'store');
  const ask = (request: OursRequest): OursMeasured => {
    const program = path.join(__dirname, '..', 'ours', 'main.js');
    if (!existsSync(program)) throw new BenchError('the bench runs compiled only: npm run bench');
    const done = measure(process.execPath, [...dataProxyNodeArgs, program, JSON.stringify(request)]);
    return { ...done, answer: JSON.parse(done.stdout) as OursAnswer };
  };
  return {
    name: `blockferry zstd ${zstdLevel}`,
    reset: () => {
      remove(folder);
      mkdirSync(store, { recursive: true });
    },
    backup: (image, label, baseLabel) =>
      ask({
        ...{ action: 'backup', store, image, jobId: label, vmName: vmOf(image), zstdLevel },
        ...(baseLabel === undefined ? {} : { basePointId: `p-${baseLabel}` }),
      }),
    restore: (image, label) => {
      const out = path.join(folder, 'restored');
      remove(out);
      const [vmName, pointId] = [vmOf(image), `p-${label}`];
      const done = ask({ action: 'restore', store, folder: out, vmName, pointId, diskBytes: image.bytes });
      return { ...done, file: path.join(out, `${vmName}.restored`) };
    },
    stored: () => folderSize(store),
  };
}

/** vm1g2 and vm1p1 are vm1 at other times. */
const vmOf = (image: Image): string => image.name.slice(0, 3);
