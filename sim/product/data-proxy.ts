/** A data proxy: the product's own loop over the simulated queue, until it is stopped or dies. */
import { createMemory, SharedBuffers } from '../../shared/blockstore/shared-buffers';
import type { TransferDelivery, TransferSource } from '../../shared/dataproxy/ports';
import { runDataProxy } from '../../shared/dataproxy/run-data-proxy';
import { createTransferHandler } from '../../shared/dataproxy/transfer-handler';
import { AppError } from '../../shared/model/errors';
import { limits } from '../../shared/model/limits';
import { transferSchema } from '../../shared/model/transfer';
import type { FaultKind } from '../kit/faults';
import type { World } from '../world';
import { createDiskAccess, createPool } from './ports';
import { createProcess, type SimProcess } from './process';

const LEASE_MS = 60_000;
const POLL_MS = 20_000;
const QUEUE_FAULTS: readonly FaultKind[] = ['lost-reply', 'unreachable', 'refused', 'slow-reply', 'late'];

/** Memory is lent and given back; the buffers themselves serve every run of this process of the simulator. */
const buffers = new SharedBuffers(limits.memoryBytes);

export interface DataProxy {
  readonly process: SimProcess;
  /** Told to stop: it hands back what it works on. */
  stop(): void;
}

export function startDataProxy(world: World, name: string): DataProxy {
  const process = createProcess(world, name);
  const { clock, logger } = process;
  const stopping = new AbortController();
  const events = { report: (event: Parameters<World['reportEvent']>[1]) => world.reportEvent(process, event) };
  const handle = createTransferHandler({
    access: createDiskAccess(world, process),
    openRepository: process.openRepository,
    events,
    clock,
    logger,
    imageDirectory: undefined,
    concurrency: 2,
    pool: createPool(world, process),
    memory: { ...createMemory(), buffers },
  });
  const source = createSource(world, process);
  const { signal } = stopping;
  world.spawn(runDataProxy({ source, handle, events, clock, logger, concurrency: 2, signal, leaseMs: LEASE_MS }));
  return { process, stop: () => stopping.abort(new Error('the proxy is stopped')) };
}

function createSource(world: World, { actor }: SimProcess): TransferSource {
  const { io, queue, random, scheduler } = world;
  const call = <Result>(label: string, effect: () => Result): Promise<Result> =>
    io.request({
      actor,
      label: `queue ${label}`,
      faults: QUEUE_FAULTS,
      effect,
      failure: () => new AppError('cloud.unavailable', 'the queue does not answer', { retryable: true }),
    });
  const waitForMessage = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const next = queue.nextAtMs();
      const waitMs = next === undefined ? POLL_MS : Math.min(POLL_MS, Math.max(0, next - scheduler.nowMs));
      const end = (): void => {
        scheduler.cancel(entry);
        forget();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const entry = scheduler.post(actor, 'poll', waitMs, end);
      const forget = queue.onWake(end);
      signal.addEventListener('abort', end, { once: true });
    });
  return {
    receive: async (signal) => {
      await waitForMessage(signal);
      if (signal.aborted) return undefined;
      const message = await call('receive', () => queue.receive((visible) => random.pick(visible), LEASE_MS));
      if (!message) return undefined;
      const { id, text, receipt, deliveries } = message;
      const parsed = transferSchema.safeParse(JSON.parse(text));
      const delivery: TransferDelivery = {
        transfer: parsed.success ? parsed.data : undefined,
        deliveries,
        renew: () => call('renew', () => queue.hide(id, receipt, LEASE_MS)),
        done: () => call('done', () => void queue.remove(id, receipt)),
        release: (delayMs) => call('release', () => void queue.hide(id, receipt, delayMs)),
        poison: (reason) =>
          call('poison', () => {
            if (queue.remove(id, receipt)) queue.poisoned.push(reason);
          }),
      };
      return delivery;
    },
  };
}
