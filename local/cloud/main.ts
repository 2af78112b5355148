/**
 * `node main.js --state DIR --seed FILE [--ports arm=0,disk=0,identity=0,keyvault=0,aws=0,control=0] [--parent PID]`
 *
 * Prints one JSON line when everything listens. SIGTERM and SIGINT end it cleanly; with --parent it also ends when
 * that process is gone. Exit code 2: it could not start (arguments, seed, a port that is taken).
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { PortName, Ports } from './ports';
import { startCloud } from './start';

const PORT_NAMES: readonly PortName[] = ['arm', 'disk', 'identity', 'keyvault', 'aws', 'control'];
const PARENT_CHECK_MS = 1_000;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      state: { type: 'string' },
      seed: { type: 'string' },
      ports: { type: 'string', default: '' },
      parent: { type: 'string' },
    },
  });
  if (values.state === undefined || values.seed === undefined)
    throw new Error('--state DIR and --seed FILE are required');
  const seedFile = resolve(values.seed);
  const cloud = await startCloud({
    stateDirectory: resolve(values.state),
    seed: JSON.parse(readFileSync(seedFile, 'utf8')),
    seedDirectory: dirname(seedFile),
    ports: parsePorts(values.ports),
  });
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    cloud.close().then(
      () => process.exit(0),
      (error: unknown) => fail(error, 1),
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  if (values.parent !== undefined) watchParent(Number(values.parent), end);
  process.stdout.write(`${JSON.stringify({ ready: true, endpoints: cloud.endpoints, caFile: cloud.caFile })}\n`);
}

function parsePorts(text: string): Ports {
  const pairs = text.split(',').filter((pair) => pair !== '');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', value = ''] = pair.split('=');
      const port = Number(value);
      if (!PORT_NAMES.some((known) => known === name) || !Number.isInteger(port) || port < 0 || port > 65535) {
        throw new Error(`--ports: '${pair}' is not one of ${PORT_NAMES.join(', ')} with a port number`);
      }
      return [name, port];
    }),
  );
}

function watchParent(pid: number, onGone: () => void): void {
  setInterval(() => {
    try {
      process.kill(pid, 0);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ESRCH') onGone();
    }
  }, PARENT_CHECK_MS).unref();
}

function fail(error: unknown, code: number): void {
  process.stderr.write(`cloud simulator: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(code);
}

main().catch((error: unknown) => fail(error, 2));
