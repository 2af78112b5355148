/**
 * kill -9 of the parts, one after the other, while jobs are at work. Each is killed when the one before is back; the
 * supervisor restarts host and simulator, the product itself replaces a lost data proxy.
 */
import { isListening } from '../stack/ports';
import type { Stack } from '../stack/stack';
import type { JobView } from './api-client';
import type { Killable } from './options';
import type { Reporter } from './reporter';

export class Chaos {
  private readonly waiting: Killable[];
  /** What was killed, in order. */
  readonly killed: Killable[] = [];
  private recovering: (() => Promise<boolean>) | undefined;

  constructor(
    private readonly stack: Stack,
    parts: readonly Killable[],
    private readonly reporter: Reporter,
  ) {
    this.waiting = [...parts];
  }

  /** What has not been killed yet. */
  get left(): readonly Killable[] {
    return this.waiting;
  }

  /** Call often, with the jobs as they are now. */
  async look(jobs: readonly JobView[]): Promise<void> {
    const next = this.waiting[0];
    if (next === undefined) return;
    if (this.recovering && !(await this.recovering())) return;
    if (!jobs.some((job) => job.status === 'running' && job.phase === 'transferring')) return;
    const pid = this.victim(next);
    if (pid === undefined) return;
    process.kill(pid, 'SIGKILL');
    this.waiting.shift();
    this.killed.push(next);
    this.recovering = this.recoveryOf(next, pid);
    this.reporter.note(`kill -9 ${next} (process ${pid})`);
  }

  private victim(part: Killable): number | undefined {
    return part === 'proxy' ? this.stack.dataProxies()[0]?.pid : this.stack.pidOf(part);
  }

  private recoveryOf(part: Killable, pid: number): () => Promise<boolean> {
    // Whether the product replaces a lost proxy shows in the result; nothing here depends on it.
    if (part === 'proxy') return () => Promise.resolve(true);
    const port = part === 'host' ? this.stack.ports.host : this.stack.ports.control;
    return async () => this.stack.pidOf(part) !== pid && (await isListening(port));
  }
}
