/**
 * One cold start in this process: what the platform's worker does with an app, up to the last registration. Argument: the app's
 * folder. Prints one JSON line, ColdStart.
 */
import { statSync } from 'node:fs';
import path from 'node:path';
import { installCoreApi } from '../../local/host/worker/core-api';
import { loadApp } from '../../local/host/worker/load-app';

export interface ColdStart {
  readonly functions: number;
  /** Of the process, from its start; node itself and this file are in it. */
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly rssMib: number;
  /** Of code that was read, this program's own left out. */
  readonly files: number;
  readonly codeMib: number;
  /** Files of the app that hold an SDK of a cloud, read although no function has run. */
  readonly sdks: readonly string[];
}

async function main(): Promise<void> {
  const app = path.resolve(process.argv[2] ?? '.');
  const before = new Set(Object.keys(require.cache));
  const { functions } = await loaded(app);
  const { user, system } = process.cpuUsage();
  const files = Object.keys(require.cache).filter((file) => !before.has(file) && !file.endsWith('.node'));
  const start: ColdStart = {
    functions: functions.size,
    wallMs: performance.now(),
    cpuMs: (user + system) / 1000,
    rssMib: process.memoryUsage.rss() / 1024 ** 2,
    files: files.length,
    codeMib: files.reduce((sum, file) => sum + statSync(file).size, 0) / 1024 ** 2,
    sdks: files.map((file) => path.relative(app, file)).filter((file) => SDK.test(file)),
  };
  process.stdout.write(`${JSON.stringify(start)}\n`);
}

const SDK = /(?:^|\/)sdk-\w+\.js$|node_modules\/(?:@aws-sdk|@azure\/(?!functions))/;

async function loaded(app: string): Promise<ReturnType<typeof installCoreApi>> {
  const registry = installCoreApi(() => undefined);
  await loadApp(app);
  return registry;
}

void main();
