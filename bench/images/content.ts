/** What users put on a machine: media that no codec shrinks, a database of pages, logs. Sizes in MiB; repeatable. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { seededBytes, seededNumbers } from '../kit/random';

const MIB = 1024 * 1024;
const PAGE_BYTES = 8192;
const FILE_MIB = 8;

export interface ContentSizes {
  readonly mediaMib: number;
  readonly databaseMib: number;
  readonly logMib: number;
}

export function writeContent(root: string, seed: string, sizes: ContentSizes): void {
  const media = folder(root, 'srv/media');
  const bytes = seededBytes(`media ${seed}`);
  for (let at = 0; at * FILE_MIB < sizes.mediaMib; at++) {
    writeFileSync(path.join(media, `${seed}-${at}.bin`), bytes(FILE_MIB * MIB));
  }
  if (sizes.databaseMib > 0) writeDatabase(path.join(folder(root, 'srv/db'), 'table.dat'), seed, sizes.databaseMib);
  const logs = folder(root, 'var/log/app');
  for (let at = 0; at * 16 < sizes.logMib; at++) {
    writeFileSync(
      path.join(logs, `${seed}.${at}.log`),
      logText(`${seed} ${at}`, Math.min(16, sizes.logMib - at * 16) * MIB),
    );
  }
}

/** Pages of rows: a binary header, rows with binary keys and words, free space at the end, as databases leave it. */
function writeDatabase(file: string, seed: string, mib: number): void {
  const bytes = seededBytes(`db ${seed}`);
  const below = seededNumbers(`db numbers ${seed}`);
  const words = vocabulary(`db words ${seed}`);
  const handle = openSync(file, 'w');
  for (let page = 0; page < (mib * MIB) / PAGE_BYTES; page++) {
    const buffer = Buffer.alloc(PAGE_BYTES);
    bytes(24).copy(buffer);
    const used = 5000 + below(3100);
    for (let at = 24; at < used; ) {
      at += bytes(12).copy(buffer, at) + 4;
      const row = Array.from({ length: 9 }, () => words[below(words.length)]).join(' ');
      at += buffer.write(row, Math.min(at, PAGE_BYTES), 'latin1');
    }
    writeSync(handle, buffer);
  }
  closeSync(handle);
}

function logText(seed: string, wantedBytes: number): string {
  const below = seededNumbers(`log ${seed}`);
  const words = vocabulary(`log words ${seed}`);
  const verbs = ['GET', 'PUT', 'POST'];
  const states = [200, 200, 200, 304, 404, 500];
  const lines: string[] = [];
  let clock = 1_760_000_000;
  for (let length = 0; length < wantedBytes; ) {
    clock += below(3);
    const target = `/${words[below(words.length)]}/${words[below(words.length)]}?id=${below(2 ** 32).toString(16)}`;
    const line = `${clock} host app[${300 + below(9000)}]: ${verbs[below(3)]} ${target} status=${states[below(6)]} us=${90 + below(90_000)}\n`;
    lines.push(line);
    length += line.length;
  }
  return lines.join('');
}

function vocabulary(seed: string): string[] {
  const below = seededNumbers(seed);
  const letters = () => String.fromCharCode(97 + below(26));
  return Array.from({ length: 4000 }, () => Array.from({ length: 3 + below(9) }, letters).join(''));
}

function folder(root: string, name: string): string {
  const made = path.join(root, name);
  mkdirSync(made, { recursive: true });
  return made;
}
