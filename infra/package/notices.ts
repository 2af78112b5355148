/** Licences of what a bundle holds: most of them ask that their text goes along. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { manifestOf } from './bundle';
import type { PackagePlaces } from './places';

/** Writes `file`: each package with version, licence and the licence's text. Throws for a package that names no licence. */
export async function writeNotices(places: PackagePlaces, packages: readonly string[], file: string): Promise<void> {
  const parts: string[] = [];
  for (const name of packages) {
    const manifest = await manifestOf(places.root, name);
    // Packages that npm placed below another one are of that one's family here; their licence is looked up there.
    if (!manifest) continue;
    if (!manifest.license) throw new Error(`${name} names no licence; it cannot be shipped`);
    const title = `${name} ${manifest.version} (${manifest.license})`;
    parts.push([title, '-'.repeat(title.length), licenceText(path.join(places.root, 'node_modules', name))].join('\n'));
  }
  await writeFile(file, `${parts.join('\n\n')}\n`);
}

function licenceText(folder: string): string {
  if (!existsSync(folder)) return '';
  const name = readdirSync(folder).find((entry) => /^licen[cs]e(\.(md|txt))?$/i.test(entry));
  return name === undefined ? '' : readFileSync(path.join(folder, name), 'utf8').trim();
}
