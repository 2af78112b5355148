import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';

export const root = join(__dirname, '..', '..');

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export function sourceFiles(folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => {
        const path = join(folder, name);
        return { path: path.split(sep).join('/'), text: readFileSync(join(root, path), 'utf8') };
      }),
  );
}

/** Every module a file names: static and dynamic imports, re-exports, require. Type-only imports count: they are knowledge too. */
export function importsOf(file: SourceFile): string[] {
  const code = file.text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '');
  const names = [...code.matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|\brequire\s*\(\s*|^import\s+)'([^']+)'/gm)];
  return names.map((match) => match[1] ?? '');
}

/** `shared/model` for a file in it, the first folder for everything else. */
export function folderOf(path: string): string {
  const parts = path.split('/');
  return parts[0] === 'shared' ? parts.slice(0, 2).join('/') : (parts[0] ?? '');
}

export function targetOf(file: SourceFile, specifier: string): string {
  return relative(root, join(root, dirname(file.path), specifier))
    .split(sep)
    .join('/');
}
