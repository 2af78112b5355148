import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import type { Catalog } from '../catalog/catalog';
import type { JobStarter } from '../workflows/jobs';
import type { Compute } from '../workflows/ports';
import type { RetentionStarter } from '../workflows/retention/start';
import type { Caller } from './caller';
import type { ApiRequest } from './http';
import type { RateLimiter } from './rate-limit';

/** What the use cases are given. Assembled in app/compose.ts. */
export interface ApiDependencies {
  readonly catalog: Catalog;
  readonly compute: Pick<Compute, 'listMachines' | 'getMachine' | 'hasResourceGroup'>;
  /** Ids of the subscriptions we serve, lower case. What lies elsewhere does not exist for a caller. */
  readonly subscriptions: readonly string[];
  readonly jobs: JobStarter;
  readonly retention: RetentionStarter;
  /** Who asks, by what the request carries. 401 as a ProblemError when that is nothing we trust. */
  readonly identify: (request: Pick<ApiRequest, 'headers'>) => Promise<Caller>;
  readonly limitRate: RateLimiter;
  /** One entry for each request that is not anonymous: looking at restore points is worth knowing too. */
  readonly audit: (entry: AuditEntry) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Who did what, to what, and how it ended. Ids and codes only; never a body, a token or a key. */
export interface AuditEntry {
  readonly at: string;
  readonly requestId: string;
  readonly callerId: string;
  readonly callerName: string;
  /** Name of the route. */
  readonly action: string;
  readonly mutates: boolean;
  readonly dryRun: boolean;
  /** The path asked for. */
  readonly object: string;
  readonly status: number;
  /** Of the problem, when it was one. */
  readonly code?: string;
}
