import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { ApiClient } from '../api-client';
import { usageError } from '../cli-error';
import { defineCommand } from '../command';
import { listVms, pickVm } from '../find-vm';
import { retentionRunFields, retentionRunLine } from '../lines/retention-run';
import { optionalText } from '../option-values';
import { age } from '../text';

const rule = z.coerce.number().int().min(0).max(9999).optional();
const figure = z.coerce.number().int().min(0).optional();
const POLL_MS = 2000;

const verdictLine = z.object({
  pointId: z.string(),
  vmName: z.string(),
  createdAt: z.string(),
  /** None: it goes. */
  reasons: z.array(z.string()),
});
type Verdict = z.output<typeof verdictLine>;

const simulated = z.object({
  points: z.array(z.object({ id: z.string(), createdAt: z.string(), reasons: z.array(z.string()) })),
});
const listedPoint = z.object({
  id: z.string(),
  vmName: z.string(),
  createdAt: z.string(),
  keepReasons: z.array(z.string()).optional(),
});

export const pruneCommand = defineCommand({
  name: 'prune',
  summary: 'which restore points the retention rules keep, and why; with --run, let the others go',
  description:
    'Without --run nothing changes. With a --keep option, another rule than that of the policies is tried on the points. --run applies the \
rules of all policies and has the collector delete what nothing needs, as the nightly run does; points that go can be had back for 14 days.',
  examples: [
    { run: 'blockferry prune --vm web', does: 'the verdict on each of its points, by its policies' },
    { run: 'blockferry prune --vm web --keep-daily 14 --keep-monthly 12', does: 'the same by another rule' },
    { run: 'blockferry prune --run', does: 'apply the rules now and stay until the run has ended' },
    {
      run: 'blockferry prune --run --allow-units 120 --allow-bytes 6000000000',
      does: 'after it asked, and the figures were meant',
    },
  ],
  reach: ['api'],
  options: {
    vm: { flags: '--vm <name>', says: 'only this virtual machine', value: optionalText, complete: 'vm' },
    keepLast: { flags: '--keep-last <n>', says: 'newest points', value: rule },
    keepHourly: { flags: '--keep-hourly <n>', says: 'the last point of each of so many hours', value: rule },
    keepDaily: { flags: '--keep-daily <n>', says: 'of days', value: rule },
    keepWeekly: { flags: '--keep-weekly <n>', says: 'of weeks', value: rule },
    keepMonthly: { flags: '--keep-monthly <n>', says: 'of months', value: rule },
    keepYearly: { flags: '--keep-yearly <n>', says: 'of years', value: rule },
    keepWithinDays: { flags: '--keep-within-days <n>', says: 'all points of so many days', value: rule },
    run: { flags: '--run', says: 'apply the rules of all policies, and collect', value: z.boolean().optional() },
    allowUnits: {
      flags: '--allow-units <n>',
      says: 'objects that the collector may delete (with --run)',
      value: figure,
    },
    allowBytes: { flags: '--allow-bytes <n>', says: 'bytes that the collector may delete (with --run)', value: figure },
    acceptLoss: {
      flags: '--accept-loss',
      says: 'fewer objects or points than the last cycle left are the truth (with --run)',
      value: z.boolean().optional(),
    },
  },
  lines: { verdict: verdictLine, run: retentionRunLine },
  run: async ({ options, out, api, nowMs, signal }) => {
    const { vm, run, allowUnits, allowBytes, acceptLoss, ...rules } = options;
    const given = Object.entries(rules).filter(([, count]) => count !== undefined);
    const client = await api();
    if (run !== true) {
      if (allowUnits !== undefined || allowBytes !== undefined || acceptLoss)
        throw usageError('what is allowed belongs to --run', 'add --run, or leave it out');
      const verdicts = await judge(client, vm, given.length === 0 ? undefined : Object.fromEntries(given));
      out.rows(
        'verdict',
        verdicts,
        [
          { title: 'POINT', of: ({ pointId }) => pointId },
          { title: 'VM', of: ({ vmName }) => vmName },
          { title: 'AGE', of: ({ createdAt }) => age(createdAt, nowMs()) },
          { title: 'KEPT AS', of: ({ reasons }) => (reasons.length === 0 ? 'goes' : reasons.join(', ')) },
        ],
        'no restore point that a rule could judge',
      );
      return undefined;
    }
    if (vm !== undefined || given.length > 0)
      throw usageError('--run applies the rules of all policies', 'change a policy first, or leave --run out');
    const allow = { units: allowUnits ?? 0, bytes: allowBytes ?? 0, acceptLoss: acceptLoss === true };
    const asked = allowUnits !== undefined || allowBytes !== undefined || acceptLoss === true;
    const started = z.object({ runId: z.string() });
    const { body } = await client.call('POST', '/retention-runs', started, { body: asked ? { allow } : {} });
    for (;;) {
      const state = await client.get(`/retention-runs/${body.runId}`, retentionRunLine);
      if (state.status === 'ended') {
        out.record('run', state, retentionRunFields);
        if (state.failure) return 'failed';
        return (state.collection?.stops.length ?? 0) > 0 ? 'attention' : undefined;
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  },
});

/** By the policies as they are, or by `rule` on all points of the VMs. */
async function judge(client: ApiClient, named: string | undefined, rule: object | undefined): Promise<Verdict[]> {
  const vms = await listVms(client);
  const verdicts: Verdict[] = [];
  for (const { id: vmId, name: vmName } of named === undefined ? vms : [pickVm(vms, named)]) {
    if (rule !== undefined) {
      const body = { retention: rule, vmId };
      const { body: reply } = await client.call('POST', '/retention-simulation', simulated, { body });
      verdicts.push(...reply.points.map(({ id, createdAt, reasons }) => ({ pointId: id, vmName, createdAt, reasons })));
      continue;
    }
    for await (const point of client.pages('/restore-points', listedPoint, { vmId, limit: 100 })) {
      // One of no policy, or of a policy that is gone: no rule judges it, and it stays.
      const reasons = point.keepReasons ?? ['no policy'];
      verdicts.push({ pointId: point.id, vmName, createdAt: point.createdAt, reasons });
    }
  }
  return verdicts;
}
