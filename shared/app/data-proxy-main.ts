/**
 * A data proxy as a process of its own: on the embedded stack, in a VM scale set, or by hand. It serves the queue of one
 * region until SIGTERM, then hands its work over: open windows become visible again and another proxy goes on.
 */
import { createTransferSource } from '../azure/transfer-source';
import { jsonLogger } from '../base/logger';
import { runDataProxy } from '../dataproxy/run-data-proxy';
import { composeDataPlane, composeFoundation, windowsAtATime } from './compose-data-plane';
import { loadSettings } from './config';

const parentCheckMs = 1000;

async function main(): Promise<void> {
  const settings = loadSettings();
  const region = settings.BLOCKFERRY_REGION;
  if (region === undefined)
    throw new Error('BLOCKFERRY_REGION must name the region whose queue this data proxy serves');
  const logger = jsonLogger((line) => process.stderr.write(line), Date.now);
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stop.abort());
  if (settings.BLOCKFERRY_PARENT_PID > 0) watchParent(settings.BLOCKFERRY_PARENT_PID, stop);

  const foundation = composeFoundation(settings, logger);
  const dataPlane = composeDataPlane(settings, foundation);
  const source = createTransferSource({
    connection: foundation.queues,
    region,
    pollMs: Math.min(1000, settings.BLOCKFERRY_POLL_MS),
    leaseMs: settings.BLOCKFERRY_LEASE_MS,
    logger,
  });
  logger.info('data proxy serves', { region, pid: process.pid });
  await runDataProxy({
    source,
    handle: dataPlane.handle,
    events: dataPlane.events,
    clock: foundation.clock,
    logger,
    concurrency: windowsAtATime,
    leaseMs: settings.BLOCKFERRY_LEASE_MS,
    signal: stop.signal,
  });
  await dataPlane.close();
  logger.info('data proxy ends', { region });
}

/** A proxy that outlives the stack that started it would go on asking for credentials nobody gives. */
function watchParent(pid: number, stop: AbortController): void {
  const timer = setInterval(() => {
    try {
      process.kill(pid, 0);
    } catch {
      stop.abort();
      clearInterval(timer);
      setTimeout(() => process.exit(1), 5000).unref();
    }
  }, parentCheckMs);
  timer.unref();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`data proxy: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
