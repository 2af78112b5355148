/** Archives that are the same for the same content: sorted names, one fixed time, no owner. */
import { createWriteStream } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { ZipFile } from 'yazl';

/** The earliest time that a zip can hold, in any zone. */
const FIXED_TIME = new Date('1980-01-02T00:00:00Z');
const EXECUTABLE = 0o755;
const PLAIN = 0o644;

/** Every file below `folder`, with forward slashes, in order of name. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort();
}

export async function writeZip(folder: string, file: string): Promise<void> {
  const zip = new ZipFile();
  for (const name of await filesBelow(folder)) {
    zip.addFile(path.join(folder, name), name, { mtime: FIXED_TIME, mode: 0o100000 | (await modeOf(folder, name)) });
  }
  zip.end();
  await pipeline(zip.outputStream, createWriteStream(file));
}

export async function writeTarGz(folder: string, file: string): Promise<void> {
  const archive = pack();
  const writing = pipeline(archive, createGzip({ level: 9 }), createWriteStream(file));
  for (const name of await filesBelow(folder)) {
    const body = await readFile(path.join(folder, name));
    const entry = archive.entry({
      name: `${path.basename(folder)}/${name}`,
      size: body.length,
      mode: await modeOf(folder, name),
      mtime: FIXED_TIME,
    });
    await pipeline(Readable.from([body]), entry);
  }
  archive.finalize();
  await writing;
}

const modeOf = async (folder: string, name: string): Promise<number> =>
  ((await stat(path.join(folder, name))).mode & 0o100) === 0 ? PLAIN : EXECUTABLE;
