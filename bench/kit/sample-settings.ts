import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The settings that come with the project: enough for the app to load, not to reach a cloud. */
export function sampleSettings(root: string): Readonly<Record<string, string>> {
  const text = readFileSync(path.join(root, 'local.settings.sample.json'), 'utf8');
  return (JSON.parse(text) as { readonly Values: Readonly<Record<string, string>> }).Values;
}
