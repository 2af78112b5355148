/** Looks for secrets wherever a run has written something, in the forms in which they usually hide. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

export interface Canary {
  readonly name: string;
  readonly value: string;
}

/** Base64 of a text inside a longer one has one of three forms; the characters that mix with neighbours are left out. */
function base64Forms(value: string): string[] {
  return [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), Buffer.from(value, 'utf8')]).toString('base64');
    const from = Math.ceil((shift * 8) / 6);
    return text.replace(/=+$/, '').slice(from, -1);
  });
}

/** Every form shorter than this could be found by chance. */
const FORM_LENGTH_MIN = 12;

export function formsOf(value: string): readonly string[] {
  const hex = Buffer.from(value, 'utf8').toString('hex');
  const forms = [
    value,
    encodeURIComponent(value),
    encodeURIComponent(encodeURIComponent(value)),
    JSON.stringify(value).slice(1, -1),
    value.replaceAll('&', '&amp;'),
    hex,
    hex.toUpperCase(),
    ...base64Forms(value),
    ...base64Forms(encodeURIComponent(value)),
  ];
  return [...new Set(forms)].filter((form) => form.length >= FORM_LENGTH_MIN);
}

/** Text of every file below the folders (or of the files themselves), with what SQLite keeps beside its databases. */
export function filesBelow(places: readonly string[]): string[] {
  return places.flatMap((place) => {
    if (!existsSync(place)) return [];
    if (statSync(place).isFile()) return [place];
    return readdirSync(place, { recursive: true, encoding: 'utf8' })
      .map((name) => path.join(place, name))
      .filter((file) => statSync(file).isFile());
  });
}

/** "canary in file" for each find; empty when the places are clean. */
export function findSecrets(canaries: readonly Canary[], files: readonly string[]): string[] {
  const forms = canaries.map(({ name, value }) => ({ name, forms: formsOf(value).map((form) => Buffer.from(form)) }));
  return files.flatMap((file) => {
    const content = readFileSync(file);
    return forms
      .filter((canary) => canary.forms.some((form) => content.includes(form)))
      .map(({ name }) => `${name} in ${file}`);
  });
}
