/** Loads the user's functions: the files that `main` of the app's package.json names, a glob allowed. */
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Loads each file once, in name order. Throws when there is none or one fails. */
export async function loadApp(appDir: string): Promise<readonly string[]> {
  const packageFile = join(appDir, 'package.json');
  const manifest = JSON.parse(readFileSync(packageFile, 'utf8')) as { main?: unknown; type?: unknown };
  if (typeof manifest.main !== 'string') {
    throw new Error('package.json of the app has no "main"; it must name the compiled function files.');
  }
  const files = globSync(manifest.main, { cwd: appDir }).sort();
  if (files.length === 0) {
    throw new Error(`No file matches "main": "${manifest.main}" of the app's package.json. Is the app built?`);
  }
  const requireFromApp = createRequire(packageFile);
  for (const file of files) {
    const path = join(appDir, file);
    if (file.endsWith('.mjs') || (manifest.type === 'module' && !file.endsWith('.cjs'))) {
      await import(pathToFileURL(path).href);
    } else {
      requireFromApp(path);
    }
  }
  return files;
}
