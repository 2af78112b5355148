/**
 * Worker threads for the CPU work, as many as cores, so that the main thread only moves bytes and its event loop never
 * stalls: heartbeats depend on it. This file is also what a worker runs. Where it runs from TypeScript sources (tests) there
 * is no file a worker could load, and the same jobs run here, in pieces.
 *
 * Jobs work on shared memory where it lies; other buffers are copied to the thread. Nobody may touch a job's buffers while
 * it runs.
 */
import { availableParallelism } from 'node:os';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { AppError, type ErrorCode } from '../model/errors';
import {
  type ComputeJob,
  type ComputeResult,
  type HashJob,
  type HashResult,
  type OpenFramesJob,
  type OpenFramesResult,
  runJob,
  type SealFrameJob,
  type SealFrameResult,
  type VerifyFrameJob,
  type VerifyFrameResult,
} from './compute-jobs';

export interface ComputePool {
  run(job: HashJob): Promise<HashResult>;
  run(job: SealFrameJob): Promise<SealFrameResult>;
  run(job: VerifyFrameJob): Promise<VerifyFrameResult>;
  run(job: OpenFramesJob): Promise<OpenFramesResult>;
  /** Ends the threads. Jobs under way are rejected. */
  close(): Promise<void>;
}

/** Says to a worker thread that it is one of ours: the app itself may live in a worker thread of its host. */
const WORKER_MARK = 'blockferry-compute';

/** Threads when this file is compiled, the calling thread otherwise. Threads start with the first job. */
export function createComputePool(threads = availableParallelism()): ComputePool {
  const compiled = __filename.endsWith('.js');
  return (compiled && threads > 0 ? new ThreadPool(threads) : inlinePool) as ComputePool;
}

/** The same work on the calling thread, yielding to its loop between pieces. */
export const inlinePool = {
  async run(job: ComputeJob): Promise<ComputeResult> {
    const steps = runJob(job);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  },
  close: async (): Promise<void> => undefined,
} as ComputePool;

interface Task {
  readonly id: number;
  readonly job: ComputeJob;
  readonly resolve: (result: ComputeResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Failure {
  readonly code?: ErrorCode;
  readonly message: string;
  readonly retryable?: boolean;
  readonly context?: Record<string, string | number | boolean>;
}

interface Reply {
  readonly result?: ComputeResult;
  readonly failure?: Failure;
}

class ThreadPool {
  private readonly idle: Worker[] = [];
  private readonly busy = new Map<Worker, Task>();
  private readonly queue: Task[] = [];
  private closed = false;
  private nextId = 0;

  constructor(private readonly threads: number) {}

  run(job: ComputeJob): Promise<ComputeResult> {
    return new Promise((resolve, reject) => {
      if (this.closed) {
        reject(new AppError('cloud.unavailable', 'the compute pool is closed', { retryable: true }));
        return;
      }
      this.queue.push({ id: this.nextId++, job, resolve, reject });
      this.dispatch();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    const workers = [...this.idle, ...this.busy.keys()];
    for (const task of [...this.queue.splice(0), ...this.busy.values()]) {
      task.reject(new AppError('cloud.unavailable', 'the compute pool was closed', { retryable: true }));
    }
    this.idle.length = 0;
    this.busy.clear();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  private dispatch(): void {
    while (this.queue.length > 0) {
      const worker = this.idle.pop() ?? this.start();
      if (!worker) return;
      const task = this.queue.shift();
      if (!task) return;
      this.busy.set(worker, task);
      worker.ref();
      worker.postMessage(task.job, moved(task.job));
    }
  }

  private start(): Worker | undefined {
    if (this.busy.size + this.idle.length >= this.threads) return undefined;
    const worker = new Worker(__filename, { workerData: WORKER_MARK });
    worker.on('message', (reply: Reply) => this.finish(worker, reply));
    worker.on('error', (error) => this.lost(worker, error));
    worker.on('exit', () => this.lost(worker, new Error('a compute thread ended')));
    return worker;
  }

  private finish(worker: Worker, reply: Reply): void {
    const task = this.busy.get(worker);
    this.busy.delete(worker);
    worker.unref();
    this.idle.push(worker);
    if (task && reply.failure) task.reject(revive(reply.failure));
    else if (task && reply.result) task.resolve(withBuffers(reply.result));
    this.dispatch();
  }

  /** A thread that died (out of memory) takes its job with it; the job may succeed on another. */
  private lost(worker: Worker, error: Error): void {
    const at = this.idle.indexOf(worker);
    if (at >= 0) this.idle.splice(at, 1);
    const task = this.busy.get(worker);
    if (!task) return;
    this.busy.delete(worker);
    task.reject(new AppError('cloud.unavailable', 'a compute thread was lost', { retryable: true, cause: error }));
    this.dispatch();
  }
}

/** What was fetched for one job only and is not shared need not be copied: it moves. */
function moved(job: ComputeJob): ArrayBuffer[] {
  if (job.kind !== 'open-frames') return [];
  const { buffer, byteLength } = job.bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : [];
}

/** A Buffer arrives on the other side as a Uint8Array, on the same memory when that is shared. */
function withBuffers<Value>(value: Value): Value {
  if (value instanceof Uint8Array)
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength) as unknown as Value;
  if (Array.isArray(value)) return value.map(withBuffers) as unknown as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withBuffers(part)])) as Value;
}

function describe(error: unknown): Failure {
  if (error instanceof AppError) {
    const { code, retryable, context } = error;
    return { code, message: error.message.slice(code.length + 3), retryable, context: { ...context } };
  }
  return { message: error instanceof Error ? error.message : 'unknown' };
}

function revive(failure: Failure): Error {
  const { code, message, retryable = false, context = {} } = failure;
  return code ? new AppError(code, message, { retryable, context }) : new Error(message);
}

function serve(): void {
  parentPort?.on('message', (job: ComputeJob) => {
    try {
      const steps = runJob(withBuffers(job));
      let step = steps.next();
      while (!step.done) step = steps.next();
      parentPort?.postMessage({ result: step.value } satisfies Reply);
    } catch (error) {
      parentPort?.postMessage({ failure: describe(error) } satisfies Reply);
    }
  });
}

if (workerData === WORKER_MARK) serve();
