import type { Clock } from '../base/clock';
import type { Logger } from '../base/logger';
import type { Catalog } from '../catalog/catalog';
import type { JobStarter } from '../workflows/jobs';
import type { Compute } from '../workflows/ports';

/** What the use cases are given. Assembled in app/compose.ts. */
export interface ApiDependencies {
  readonly catalog: Catalog;
  readonly compute: Pick<Compute, 'listMachines' | 'getMachine'>;
  /** Ids of the subscriptions we serve, lower case. What lies elsewhere does not exist for a caller. */
  readonly subscriptions: readonly string[];
  readonly jobs: JobStarter;
  readonly clock: Clock;
  readonly logger: Logger;
}
