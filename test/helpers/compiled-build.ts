/** Some folders of shared/ as JavaScript, where the packages of the project are found: what runs on real threads is compiled. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { transformFile } from '@swc/core';

const root = join(__dirname, '..', '..');

export interface CompiledBuild {
  /** Runs a script that requires from `./<folder>/...` in a process of its own; its standard output. */
  run(script: string): Promise<string>;
  remove(): Promise<void>;
}

export async function compiledBuild(folders: readonly string[]): Promise<CompiledBuild> {
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const directory = await mkdtemp(join(cache, 'compiled-'));
  for (const folder of folders) {
    const files = (await readdir(join(root, 'shared', folder))).filter((file) => file.endsWith('.ts'));
    for (const file of files) {
      const { code } = await transformFile(join(root, 'shared', folder, file), {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        module: { type: 'commonjs' },
      });
      const target = join(directory, folder, file.replace(/\.ts$/, '.js'));
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, code);
    }
  }
  return {
    run: async (script) => {
      const file = join(directory, 'main.js');
      await writeFile(file, script);
      return (await promisify(execFile)(process.execPath, [file], { timeout: 60_000 })).stdout;
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}
