/** Worker processes: each gets one order at a time, as long as there are orders. */
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import type { Report, Work } from './report';

export class Workers {
  private readonly children: ChildProcess[] = [];

  constructor(count: number) {
    for (let index = 0; index < Math.max(1, count); index++) {
      this.children.push(fork(path.join(__dirname, 'worker-main.js'), { stdio: ['ignore', 2, 2, 'ipc'] }));
    }
  }

  /** `next` gives orders until it gives none; `done` sees each report. Rejects when a worker dies. */
  async each(next: () => Work | undefined, done: (report: Report) => void): Promise<void> {
    await Promise.all(
      this.children.map(async (child) => {
        for (let order = next(); order; order = next()) done(await run(child, order));
      }),
    );
  }

  close(): void {
    for (const child of this.children) child.kill();
  }
}

function run(child: ChildProcess, order: Work): Promise<Report> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(new Error(`a worker of the simulation ended with ${code}`));
    child.once('exit', onExit);
    child.once('message', (report) => {
      child.off('exit', onExit);
      resolve(report as Report);
    });
    child.send(order);
  });
}
