/** Azurite as a child process on free ports, for tests of what talks to Azure Storage. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';

export interface RunningAzurite {
  readonly connectionString: string;
  stop(): Promise<void>;
}

/** The well-known account of the storage emulator; it opens nothing but the emulator. */
const ACCOUNT = 'devstoreaccount1';
const ACCOUNT_KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
const START_LIMIT_MS = 25_000;
const STOP_PATIENCE_MS = 3_000;

/** Starts Azurite with its data in `dir` and resolves when all three services answer. */
export async function startAzurite(dir: string): Promise<RunningAzurite> {
  const [blob, queue, table] = await freePorts();
  const script = join(__dirname, '..', '..', 'node_modules', 'azurite', 'dist', 'src', 'azurite.js');
  const child = spawn(
    process.execPath,
    [
      ...[script, '--silent', '--skipApiVersionCheck', '--disableTelemetry', '--location', dir],
      ...['--blobHost', '127.0.0.1', '--blobPort', String(blob)],
      ...['--queueHost', '127.0.0.1', '--queuePort', String(queue)],
      ...['--tableHost', '127.0.0.1', '--tablePort', String(table)],
    ],
    { stdio: 'ignore' },
  );
  const endpoint = (port: number): string => `http://127.0.0.1:${port}/${ACCOUNT}`;
  try {
    await Promise.all([blob, queue, table].map((port) => answers(`${endpoint(port)}?comp=list`, child)));
  } catch (error) {
    await end(child);
    throw error;
  }
  return {
    connectionString: [
      `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${ACCOUNT_KEY}`,
      `BlobEndpoint=${endpoint(blob)};QueueEndpoint=${endpoint(queue)};TableEndpoint=${endpoint(table)};`,
    ].join(';'),
    stop: () => end(child),
  };
}

/** Three ports that are free now: all held at once, so that they differ, then let go. */
async function freePorts(): Promise<readonly [number, number, number]> {
  const take = async (): Promise<{ port: number; release: () => Promise<void> }> => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    const { port } = server.address() as AddressInfo;
    return { port, release: () => new Promise((resolve) => server.close(() => resolve())) };
  };
  const [a, b, c] = await Promise.all([take(), take(), take()]);
  await Promise.all([a.release(), b.release(), c.release()]);
  return [a.port, b.port, c.port];
}

/** Any answer counts, also a refusal: the service is up. */
async function answers(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + START_LIMIT_MS;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`Azurite ended (${child.signalCode ?? child.exitCode}) before it was ready.`);
    }
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  throw new Error(`Azurite did not answer within ${START_LIMIT_MS} ms.`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS);
  await exited;
  clearTimeout(timer);
}
