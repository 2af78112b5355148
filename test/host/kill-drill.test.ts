/**
 * kill -9 at random moments: every orchestration ends right, no committed turn is repeated, nothing is left behind.
 *
 * Entities make repetition visible: each orchestration signals a shared counter once and calls one of its own once.
 * A turn that ran twice would count twice.
 */
import { type HostProcess, notes, startHost, temporaryDir, until } from './host-process';

const INSTANCES = 24;
const KILLS = 5;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('mixed orchestrations survive repeated kills of the host', async () => {
  const scratch = temporaryDir();
  let host: HostProcess = await startHost({ dir: scratch.dir });
  try {
    const ids = await Promise.all(
      Array.from({ length: INSTANCES }, (_, number) => host.start('mixed', number, `mixed-${number}`)),
    );
    const workers: number[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const environment = await host.fetch('/api/environment').catch(() => undefined);
      workers.push(((await environment?.json()) as { pid: number } | undefined)?.pid ?? 0);
      await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 220));
      await host.kill();
      host = await startHost({ dir: scratch.dir });
    }
    const ended = await Promise.all(ids.map((id) => host.ended(id)));
    expect(ended.map(({ output }) => output)).toEqual(
      Array.from({ length: INSTANCES }, (_, number) => ({
        number,
        parts: [1, 2, 3].map((part) => number * 2 + part),
        child: number * 8,
        ledger: number,
      })),
    );
    const total = await until(async () => {
      const response = await host.durable('entities/counter/drill');
      const value: unknown = response.status === 200 ? await response.json() : 0;
      return value === INSTANCES ? value : undefined;
    });
    expect(total).toBe(INSTANCES);
    for (const worker of workers.filter((pid) => pid > 0)) {
      await until(() => (isAlive(worker) ? undefined : true));
    }
  } finally {
    await host.stop();
    scratch.remove();
  }
});

test('the switches: activities twice with the first result kept, turns twice without a difference', async () => {
  const scratch = temporaryDir();
  const env = { BLOCKFERRY_HOST_REPEAT_ACTIVITIES: '1', BLOCKFERRY_HOST_CHECK_REPLAY: '1' };
  const host = await startHost({ dir: scratch.dir, env });
  try {
    expect((await host.run('chain', 3)).output).toBe(24);
    expect(notes(scratch.dir, 'activities').filter((line) => line === 'double 3')).toHaveLength(2);
    const random = await host.run('random');
    expect([random.runtimeStatus, random.output]).toEqual(['Failed', expect.stringContaining('two runs of one turn')]);
  } finally {
    await host.stop();
    scratch.remove();
  }
});
