/**
 * The loop of a data proxy that is its own process: take a message, keep it invisible while it is worked on, finish it, hand
 * it back or put it aside. On abort it stops taking, stops what is under way at the next step, and hands the messages back,
 * so that another proxy goes on at once.
 */
import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import { AppError } from '../model/errors';
import type { Transfer } from '../model/transfer';
import type { TransferDelivery, TransferEvents, TransferSource } from './ports';
import type { TransferHandler } from './transfer-handler';

/** After so many deliveries a message is put aside: something about it does not work. */
const DELIVERIES_MAX = 5;
const LEASE_MS_DEFAULT = 60_000;
/** Pause after an empty or failed receive, besides the source's own poll. */
const IDLE_MS = 50;
const RECEIVE_FAILED_MS = 1_000;
const RETRY_MS_MAX = 60_000;

export interface DataProxyOptions {
  readonly source: TransferSource;
  readonly handle: TransferHandler;
  readonly events: TransferEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Messages taken at a time. */
  readonly concurrency: number;
  readonly signal: AbortSignal;
  /** How long the source keeps a message invisible; it is renewed every third of it. */
  readonly leaseMs?: number;
}

export type ServeOptions = Omit<DataProxyOptions, 'source' | 'concurrency'>;

/** Resolves when `signal` aborts and everything has been handed back. */
export async function runDataProxy(options: DataProxyOptions): Promise<void> {
  await Promise.all(Array.from({ length: Math.max(1, options.concurrency) }, () => lane(options)));
}

async function lane(options: DataProxyOptions): Promise<void> {
  const { source, clock, logger, signal } = options;
  const pause = (delayMs: number): Promise<void> => clock.sleep(delayMs, signal).catch(() => undefined);
  while (!signal.aborted) {
    let delivery: TransferDelivery | undefined;
    try {
      delivery = await source.receive(signal);
    } catch (error) {
      if (signal.aborted) return;
      logger.warn('the queue could not be read', { code: codeOf(error) });
      await pause(RECEIVE_FAILED_MS);
      continue;
    }
    if (!delivery) {
      await pause(IDLE_MS);
      continue;
    }
    try {
      await serveDelivery(options, delivery);
    } catch (error) {
      // The message itself could not be answered: its lease runs out and it comes back.
      logger.error('a message could not be answered', { code: codeOf(error) });
    }
  }
}

/** One message to its end: done, handed back, or put aside. */
export async function serveDelivery(options: ServeOptions, delivery: TransferDelivery): Promise<void> {
  const { transfer, deliveries } = delivery;
  if (!transfer) {
    await delivery.poison('not a transfer');
    return;
  }
  if (deliveries > DELIVERIES_MAX) {
    // Nobody lived to say why: the proxies that had it died.
    const error = new AppError('job.stalled', `the window was delivered ${deliveries} times without an end`);
    await reportFailure(options, transfer, error, false);
    await delivery.poison(error.code);
    return;
  }
  const lease = keepLease(options, delivery);
  try {
    await options.handle(transfer, lease.signal);
    lease.stop();
    await delivery.done();
  } catch (error) {
    lease.stop();
    if (options.signal.aborted) await delivery.release(0);
    else if (!lease.lost()) await giveBack(options, delivery, transfer, error);
  }
}

async function giveBack(
  options: ServeOptions,
  delivery: TransferDelivery,
  transfer: Transfer,
  error: unknown,
): Promise<void> {
  if (codeOf(error) === 'session.fenced') {
    // The job has ended and knows it; there is nothing to look into.
    await delivery.done();
    return;
  }
  // An error that is not ours is a bug; another try costs little and may meet another state.
  const retryable = !(error instanceof AppError) || error.retryable;
  const again = retryable && delivery.deliveries < DELIVERIES_MAX;
  await reportFailure(options, transfer, error, again);
  if (again) {
    const waitMs = error instanceof AppError ? (error.retryAfterMs ?? 0) : 0;
    await delivery.release(Math.max(waitMs, Math.min(RETRY_MS_MAX, 1_000 * 2 ** (delivery.deliveries - 1))));
  } else {
    await delivery.poison(codeOf(error));
  }
}

async function reportFailure(
  options: ServeOptions,
  transfer: Transfer,
  error: unknown,
  retryable: boolean,
): Promise<void> {
  const { jobId, lun, window } = transfer;
  const code = codeOf(error);
  const message = error instanceof AppError ? error.message : `[${code}] the data proxy failed unexpectedly`;
  options.logger.warn('a window failed', { jobId, lun: String(lun), window: window.index, code, retryable, message });
  const at = options.clock.now();
  await options.events
    .report({ kind: 'failed', jobId, lun, windowIndex: window.index, code, message, retryable, at })
    .catch((failure: unknown) =>
      options.logger.warn('an event could not be reported', { jobId, code: codeOf(failure) }),
    );
}

interface HeldLease {
  /** Aborts when the proxy stops or the lease is lost. */
  readonly signal: AbortSignal;
  lost(): boolean;
  stop(): void;
}

/** Renews every third of the lease. Twice without an answer counts as lost: before the last third is over we have stopped. */
function keepLease(options: ServeOptions, delivery: TransferDelivery): HeldLease {
  const ended = new AbortController();
  const broken = new AbortController();
  const renewing = async (): Promise<void> => {
    let unanswered = 0;
    for (;;) {
      await options.clock.sleep((options.leaseMs ?? LEASE_MS_DEFAULT) / 3, ended.signal);
      const held = await delivery.renew().catch(() => undefined);
      unanswered = held === undefined ? unanswered + 1 : 0;
      if (ended.signal.aborted) return;
      if (held === false || unanswered >= 2) {
        broken.abort(new AppError('job.stalled', 'the message was lost to another data proxy', { retryable: true }));
        return;
      }
    }
  };
  void renewing().catch(() => undefined);
  return {
    signal: AbortSignal.any([options.signal, broken.signal]),
    lost: () => broken.signal.aborted,
    stop: () => ended.abort(new Error('done')),
  };
}

const codeOf = (error: unknown): string => (error instanceof AppError ? error.code : 'internal');
