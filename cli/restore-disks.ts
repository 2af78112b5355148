/** What the restores of disks share: which point, the request, staying with the job. */
import { z } from 'zod';
import type { ApiClient } from './api-client';
import { CliError, usageError } from './cli-error';
import type { ExitName } from './exit-codes';
import { vmIdFor } from './find-vm';
import { followJob, type followLines } from './follow-job';
import { pointLine } from './lines/point';
import type { Output } from './output';
import { bytes } from './text';

const lun = z.union([z.literal('os'), z.number()]);

export const startedLine = z.object({ jobId: z.string(), pointId: z.string() });
export const plannedLine = z.object({
  pointId: z.string(),
  vmName: z.string(),
  disks: z.array(z.object({ lun, sizeBytes: z.number() })),
});

export const pointArgument = {
  usage: '<point>',
  says: 'id of the restore point, or `latest` with --vm',
  value: z.string(),
  complete: 'point',
} as const;

interface RestoreContext {
  readonly args: { readonly point: string };
  readonly options: {
    readonly vm?: string | undefined;
    readonly lun?: readonly (number | 'os')[] | undefined;
    readonly dryRun: boolean;
    readonly watch: boolean;
  };
  readonly out: Output<
    typeof followLines & { readonly started: typeof startedLine; readonly planned: typeof plannedLine }
  >;
  api(): Promise<ApiClient>;
  readonly signal: AbortSignal;
  readonly sleep: (ms: number) => Promise<void>;
  readonly nowMs: () => number;
}

/** `target` is the API's, with absent fields. */
export async function restoreDisks(
  context: RestoreContext,
  target: Readonly<Record<string, string | undefined>>,
): Promise<ExitName | undefined> {
  const { args, options, out } = context;
  const api = await context.api();
  const pointId = await pointIdFor(api, args.point, options.vm);
  const body = { pointId, ...(options.lun ? { luns: options.lun } : {}), target };
  if (options.dryRun) {
    const { body: plan } = await api.call('POST', '/restores', plannedLine, { body, query: { dryRun: true } });
    out.line(
      'planned',
      plan,
      ({ vmName, disks }) =>
        `${vmName}: would restore ${disks.map((disk) => `disk ${disk.lun} (${bytes(disk.sizeBytes)})`).join(', ')}`,
    );
    return undefined;
  }
  const { body: started } = await api.call('POST', '/restores', z.object({ jobId: z.string() }), { body });
  out.line('started', { ...started, pointId }, (row) => `restoring ${row.pointId}: job ${row.jobId}`);
  return options.watch ? followJob({ ...context, api }, started.jobId) : undefined;
}

/** The id as given, or that of the newest point of a VM. */
export async function pointIdFor(api: ApiClient, given: string, vm: string | undefined): Promise<string> {
  if (given !== 'latest') return given;
  if (vm === undefined) throw usageError('`latest` of which virtual machine?', 'give --vm NAME');
  const vmId = await vmIdFor(api, vm);
  for await (const point of api.pages('/restore-points', pointLine, { vmId, limit: 1 })) return point.id;
  throw new CliError('nothing', `${vm} has no restore point`, { code: 'request.not-found' });
}
