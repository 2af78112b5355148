import { readFileSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';

/** Of the package that this file belongs to, from sources and from dist alike. */
export function readVersion(): string {
  for (const up of ['..', '../..']) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(path.join(__dirname, up, 'package.json'), 'utf8'));
      return z.object({ version: z.string() }).parse(manifest).version;
    } catch {
      // dist/ has no manifest of its own: one further up.
    }
  }
  return 'unknown';
}
