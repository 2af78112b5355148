/** Starts the embedded host as users do, as a process, with the fixture app; talks to it over HTTP only. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = join(__dirname, '..', '..');
const DIST = process.env['BLOCKFERRY_TEST_DIST'] ?? join(ROOT, 'dist');
const FIXTURE_APP = join(__dirname, 'fixtures', 'app');
const WAIT_LIMIT_MS = 20_000;

export interface HostOptions {
  /** Kept between starts: the state folder and the notes of the fixture app live here. */
  readonly dir: string;
  readonly app?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

export interface Status {
  readonly name: string;
  readonly instanceId: string;
  readonly runtimeStatus: string;
  readonly input: unknown;
  readonly output: unknown;
  readonly customStatus: unknown;
  readonly historyEvents?: readonly { readonly EventType: string; readonly FunctionName?: string }[];
}

export class HostProcess {
  readonly url: string;
  readonly masterKey: string;
  readonly functionKey: string;
  readonly #child: ChildProcess;
  readonly #logs: string[];

  constructor(child: ChildProcess, logs: string[], ready: { url: string; masterKey: string; functionKey: string }) {
    this.#child = child;
    this.#logs = logs;
    this.url = ready.url;
    this.masterKey = ready.masterKey;
    this.functionKey = ready.functionKey;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  logs(): readonly string[] {
    return this.#logs;
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(WAIT_LIMIT_MS), ...init });
  }

  /** A call of the durable webhooks with the key that opens them. */
  durable(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { 'x-functions-key': this.masterKey, ...init.headers };
    return this.fetch(`/runtime/webhooks/durabletask/${path}`, { ...init, headers });
  }

  async start(name: string, input?: unknown, id?: string): Promise<string> {
    const path = `orchestrators/${name}${id === undefined ? '' : `/${id}`}`;
    const response = await this.durable(path, {
      method: 'POST',
      body: input === undefined ? '' : JSON.stringify(input),
    });
    const body = (await response.json()) as { id: string };
    expect({ status: response.status, name }).toEqual({ status: 202, name });
    return body.id;
  }

  async status(id: string, query = ''): Promise<Status> {
    const response = await this.durable(`instances/${id}${query}`);
    expect([200, 202]).toContain(response.status);
    return (await response.json()) as Status;
  }

  /** Waits until the instance has ended. */
  async ended(id: string): Promise<Status> {
    return await until(async () => {
      const status = await this.status(id);
      return ['Completed', 'Failed', 'Terminated'].includes(status.runtimeStatus) ? status : undefined;
    });
  }

  async run(name: string, input?: unknown): Promise<Status> {
    return this.ended(await this.start(name, input));
  }

  async raise(id: string, event: string, value: unknown): Promise<number> {
    const init = { method: 'POST', body: JSON.stringify(value) };
    return (await this.durable(`instances/${id}/raiseEvent/${event}`, init)).status;
  }

  async command(id: string, verb: string): Promise<number> {
    return (await this.durable(`instances/${id}/${verb}?reason=test`, { method: 'POST' })).status;
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.hasEnded()) {
      return;
    }
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill(signal);
    await exited;
  }
}

/** Resolves when the host says it is ready; rejects with its log when it ends before that. */
export function startHost(options: HostOptions): Promise<HostProcess> {
  const main = join(DIST, 'local', 'host', 'main.js');
  const args = ['--app', options.app ?? FIXTURE_APP, '--state', join(options.dir, 'state')];
  const child = spawn(process.execPath, [main, ...args, '--parent', String(process.pid), ...(options.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', FIXTURE_DIR: options.dir, TICK_SCHEDULE: '0 0 0 1 1 *', ...options.env },
  });
  const logs: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => logs.push(line));
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => {
      resolve(new HostProcess(child, logs, JSON.parse(line) as HostProcess));
    });
    child.once('error', reject);
    child.once('close', (code) => reject(new Error(`the host ended (${code}): ${logs.join('\n')}`)));
  });
}

/** A folder of its own for a test, and how to remove it. */
export function temporaryDir(): { readonly dir: string; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), 'blockferry-host-'));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }) };
}

/** Asks again until there is an answer; fails the test when none comes. */
export async function until<Result>(ask: () => Promise<Result | undefined> | Result | undefined): Promise<Result> {
  const deadline = Date.now() + WAIT_LIMIT_MS;
  while (Date.now() < deadline) {
    const answer = await ask();
    if (answer !== undefined) {
      return answer;
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('what the test waits for did not happen');
}

/** The lines the fixture app noted in a file. */
export function notes(dir: string, file: string): readonly string[] {
  try {
    return readFileSync(join(dir, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
