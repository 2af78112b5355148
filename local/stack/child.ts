/**
 * One supervised child process: started until it says that it is ready, started again when it dies (as a platform does
 * with its own services), ended for good by `stop`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ChildSpec {
  readonly name: string;
  /** A compiled program and its arguments, run on this very Node. */
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly restart: boolean;
  /** A restart, or that no more are made. */
  readonly onEvent: (event: ChildEvent) => void;
}

export interface ChildEvent {
  readonly name: string;
  readonly kind: 'restarted' | 'died';
  readonly detail: string;
}

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 8_000;
/** More deaths than this without a minute of peace between them are not bad luck. */
const RESTARTS_MAX = 5;
const PEACE_MS = 60_000;

export class SupervisedChild {
  private child: ChildProcess | undefined;
  private stopping = false;
  private restarts = 0;
  private startedAt = 0;

  constructor(private readonly spec: ChildSpec) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** Resolves with the program's ready line. Rejects when it ends or says nothing for too long. */
  async start(): Promise<Readonly<Record<string, unknown>>> {
    const log = openSync(this.spec.logFile, 'a');
    const child = spawn(process.execPath, [...this.spec.args], {
      cwd: this.spec.cwd,
      env: this.spec.env,
      stdio: ['ignore', 'pipe', log],
      // Out of the terminal's process group: Ctrl-C must reach the supervisor alone, which stops in the right order.
      detached: true,
    });
    closeSync(log);
    this.child = child;
    this.startedAt = Date.now();
    const ended = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
      child.once('error', (error) => resolve(error.message));
    });
    const ready = await Promise.race([readyLine(child), ended, sleep(READY_MS_MAX, 'no ready line', { ref: false })]);
    if (typeof ready === 'string') {
      child.kill('SIGKILL');
      throw new Error(`${this.spec.name} did not start (${ready}); see ${this.spec.logFile}`);
    }
    void ended.then((how) => this.revive(how));
    return ready;
  }

  /** SIGTERM, then SIGKILL. Resolves when the process is gone. Repeatable; also ends a restart under way. */
  async stop(): Promise<void> {
    this.stopping = true;
    const child = this.child;
    if (!child || hasEnded(child)) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
    await gone;
    clearTimeout(timer);
  }

  private async revive(how: string): Promise<void> {
    if (this.stopping) return;
    if (Date.now() - this.startedAt > PEACE_MS) this.restarts = 0;
    if (!this.spec.restart || this.restarts >= RESTARTS_MAX) {
      this.spec.onEvent({ name: this.spec.name, kind: 'died', detail: how });
      return;
    }
    this.restarts++;
    try {
      await this.start();
      this.spec.onEvent({ name: this.spec.name, kind: 'restarted', detail: how });
    } catch (error) {
      await this.revive(error instanceof Error ? error.message : String(error));
    }
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** The first line of stdout that is JSON with `ready`; what follows is read and dropped, or the pipe would fill. */
function readyLine(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve) => {
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const parsed = parseLine(line);
      if (parsed?.['ready'] === true) resolve(parsed);
    });
  });
}

function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}
