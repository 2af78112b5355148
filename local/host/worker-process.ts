/**
 * The host's handle on the worker process: start, invoke, time out, restart.
 *
 * A worker that dies takes its invocations with it: each of them fails with `WorkerLostError`, and
 * whoever asked delivers again (activities, turns, queue messages) or answers 500 (HTTP). An invocation
 * past the function timeout fails with `FunctionTimeoutError` and the worker is restarted, as the real
 * host does, because JavaScript offers no way to stop one running function.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Log } from './log';
import type { FromWorker, InvokeMessage, ReadyMessage, ResultMessage, ToWorker } from './protocol';
import type { Settings } from './settings';

/** User code threw; `name`, `message` and `stack` are those of what it threw. */
export class FunctionFailedError extends Error {
  constructor(name: string, message: string, stack: string) {
    super(message);
    this.name = name;
    this.stack = stack;
  }
}

/** The worker died before it answered; the work may have been done in part. */
export class WorkerLostError extends Error {}

/** The function ran longer than host.json allows. */
export class FunctionTimeoutError extends Error {}

export interface WorkerOptions {
  readonly appDir: string;
  readonly env: Settings;
  readonly functionTimeoutMs: number | undefined;
  readonly log: Log;
}

interface Pending {
  readonly resolve: (message: ResultMessage) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout | undefined;
}

export type InvokeRequest = Omit<InvokeMessage, 'kind' | 'invocationId'> & { readonly invocationId?: string };

const RESTART_DELAY_MS = 200;
const RESTART_DELAY_MS_MAX = 10_000;
const STOP_PATIENCE_MS = 3_000;
/** A longer `setTimeout` would fire at once; after 24 days nobody waits for the difference. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class WorkerProcess {
  readonly #options: WorkerOptions;
  readonly #pending = new Map<string, Pending>();
  #child: ChildProcess | undefined;
  #retired: ChildProcess | undefined;
  #ready: Promise<ReadyMessage> = Promise.reject(new Error('not started'));
  #failedStarts = 0;
  #isStopping = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#ready.catch(() => undefined);
  }

  /** Starts the first worker; rejects with the load error when the app cannot be loaded. */
  start(): Promise<ReadyMessage> {
    this.#ready = this.#fork();
    return this.#ready;
  }

  /** Where the current worker takes streamed requests, when the app has streaming on. */
  async httpUri(): Promise<string | undefined> {
    return (await this.#ready).httpUri;
  }

  /** Runs a function once. Rejects with one of the three errors above. */
  async invoke(request: InvokeRequest): Promise<ResultMessage> {
    const invocationId = request.invocationId ?? randomUUID();
    await this.#ready.catch((error: unknown) => {
      throw new WorkerLostError(`The worker is not running: ${String(error)}`);
    });
    return new Promise<ResultMessage>((resolve, reject) => {
      const child = this.#child;
      if (child === undefined || !child.connected) {
        reject(new WorkerLostError('The worker is restarting.'));
        return;
      }
      this.#pending.set(invocationId, { resolve, reject, timer: this.#limit(invocationId, request.functionName) });
      const message: ToWorker = { ...request, kind: 'invoke', invocationId };
      child.send(message, (error) => {
        if (error !== null) {
          this.#settle(invocationId)?.reject(new WorkerLostError('The worker went away.'));
        }
      });
    });
  }

  /** Lets the app's terminate hooks run, then ends the worker, by force if it does not go. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const message: ToWorker = { kind: 'stop' };
    child.send(message, () => undefined);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_PATIENCE_MS);
    await exited;
    clearTimeout(timer);
  }

  #fork(): Promise<ReadyMessage> {
    const child = fork(join(__dirname, 'worker', 'main.js'), [this.#options.appDir], {
      cwd: this.#options.appDir,
      env: { ...this.#options.env },
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#relayOutput(child);
    return new Promise<ReadyMessage>((resolve, reject) => {
      child.on('message', (message: FromWorker) => {
        if (message.kind === 'ready') {
          this.#failedStarts = 0;
          resolve(message);
        } else if (message.kind === 'load-error') {
          reject(new Error(message.message));
        } else {
          this.#receive(message);
        }
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        reject(new Error(`the worker ended (${signal ?? code}) while loading the app`));
        this.#onExit(child, signal ?? String(code));
      });
    });
  }

  #receive(message: Exclude<FromWorker, { kind: 'ready' | 'load-error' }>): void {
    if (message.kind === 'log') {
      const { kind: _kind, ...line } = message;
      this.#options.log(line);
      return;
    }
    const pending = this.#settle(message.invocationId);
    if (message.kind === 'result') {
      pending?.resolve(message);
    } else {
      pending?.reject(new FunctionFailedError(message.name, message.message, message.stack));
    }
  }

  #settle(invocationId: string): Pending | undefined {
    const pending = this.#pending.get(invocationId);
    this.#pending.delete(invocationId);
    clearTimeout(pending?.timer);
    return pending;
  }

  #limit(invocationId: string, functionName: string): NodeJS.Timeout | undefined {
    const limitMs = this.#options.functionTimeoutMs;
    if (limitMs === undefined || limitMs > TIMER_MS_MAX) {
      return undefined;
    }
    return setTimeout(() => {
      const text = `Timeout value of ${limitMs / 1000} s was exceeded by function ${functionName}.`;
      this.#options.log({
        level: 'error',
        category: 'host.worker',
        message: `${text} The worker restarts.`,
        functionName,
      });
      this.#settle(invocationId)?.reject(new FunctionTimeoutError(text));
      this.#retire();
    }, limitMs);
  }

  /** Ends a worker that runs too long. New invocations wait for its successor at once, not only when it is gone. */
  #retire(): void {
    const child = this.#child;
    if (child !== undefined && child !== this.#retired && child.exitCode === null && child.signalCode === null) {
      this.#retired = child;
      this.#ready = new Promise<void>((resolve) => child.once('exit', () => resolve())).then(() => this.#fork());
      this.#ready.catch(() => undefined);
      child.kill('SIGKILL');
    }
  }

  #onExit(child: ChildProcess, how: string): void {
    if (child !== this.#child) {
      return;
    }
    const lost = [...this.#pending.keys()];
    if (!this.#isStopping && child !== this.#retired) {
      this.#failedStarts += 1;
      const delayMs = Math.min(RESTART_DELAY_MS * 2 ** (this.#failedStarts - 1), RESTART_DELAY_MS_MAX);
      const message = `The worker ended (${how}) with ${lost.length} invocations; it restarts in ${delayMs} ms.`;
      this.#options.log({ level: 'error', category: 'host.worker', message });
      this.#ready = new Promise((resolve) => setTimeout(resolve, delayMs)).then(() => this.#fork());
      this.#ready.catch(() => undefined);
    }
    for (const invocationId of lost) {
      this.#settle(invocationId)?.reject(new WorkerLostError(`The worker ended (${how}) before it answered.`));
    }
  }

  #relayOutput(child: ChildProcess): void {
    const relay = (stream: NodeJS.ReadableStream | null, level: string): void => {
      if (stream !== null) {
        const lines = createInterface({ input: stream });
        lines.on('line', (message) => this.#options.log({ level, category: 'worker.console', message }));
      }
    };
    relay(child.stdout, 'information');
    relay(child.stderr, 'warning');
  }
}
