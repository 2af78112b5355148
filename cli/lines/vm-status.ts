/** The state of a VM, as GET /api/status answers and as a `--json` line. */
import { z } from 'zod';

export const vmStatusLine = z.object({
  vmId: z.string(),
  vmName: z.string(),
  region: z.string(),
  state: z.string(),
  reasons: z.array(z.string()),
  policies: z.array(z.string()),
  lastPointAt: z.string().optional(),
  lastVerifiedAt: z.string().optional(),
  rpoGapSeconds: z.number().optional(),
});

export const summaryLine = z.object({ vms: z.record(z.string(), z.number()), doubts: z.array(z.string()) });

export const statusReply = summaryLine.extend({ items: z.array(vmStatusLine) });
