/**
 * The seam between the simulator's services: what each is given, and what each must offer.
 * A service speaks one protocol and knows nothing of faults, logs or listening; `listen` adds these.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FaultAction, FaultPlan } from './faults';
import type { SeededRandom } from './random';
import type { RequestLog } from './request-log';

declare module 'node:http' {
  interface IncomingMessage {
    /** Set by `listen`: the fault for this request. A service has to obey only the kind `expire`. */
    fault?: FaultAction;
    /** Set by a service: becomes `details` of the log entry. Never a secret. */
    logDetails?: Readonly<Record<string, unknown>>;
  }
}

export interface ControlRequest {
  readonly query: URLSearchParams;
  /** The parsed JSON body; undefined when there was none. */
  readonly body: unknown;
}

/** Its result becomes the JSON answer (200); a thrown ControlError becomes its status, any other error 500. */
export type ControlHandler = (request: ControlRequest) => unknown | Promise<unknown>;

/** Adds a route to the control API; `path` is exact, such as `/s3/objects`. */
export type RegisterControl = (method: 'GET' | 'POST' | 'DELETE', path: string, handler: ControlHandler) => void;

/** What a control handler throws to answer with a status other than 500. */
export class ControlError extends Error {
  override readonly name = 'ControlError';

  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export interface CloudContext {
  /** Each service makes its own sub-folder; everything in it survives `kill -9`. */
  readonly stateDirectory: string;
  /** Simulated time, epoch milliseconds; shiftable through the control API. */
  readonly now: () => number;
  /** Deterministic when the seed file gives `randomSeed`. */
  readonly random: SeededRandom;
  readonly faults: FaultPlan;
  readonly log: RequestLog;
  readonly registerControl: RegisterControl;
}

export interface CloudService {
  readonly name: 'arm' | 'disk' | 'identity' | 'aws' | 'keyvault';
  /**
   * Names the operation for the log and for fault rules, before the body is read: `s3.PutObject`,
   * `sts.AssumeRoleWithWebIdentity`, `arm.snapshots.createOrUpdate`, `disk.read`.
   */
  operationOf(request: IncomingMessage): string;
  /** The error body and headers of this protocol for an injected status. */
  errorReply(
    operation: string,
    status: number,
    code: string | undefined,
  ): { readonly headers: Record<string, string>; readonly body: string };
  handle(request: IncomingMessage, response: ServerResponse, operation: string): Promise<void>;
  close(): Promise<void>;
}
