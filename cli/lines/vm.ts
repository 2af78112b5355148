import { z } from 'zod';

/** As GET /api/vms answers, and as a `--json` line. */
export const vmLine = z.object({
  id: z.string(),
  name: z.string(),
  region: z.string(),
  sizeBytes: z.number(),
  disks: z.number(),
  tags: z.record(z.string(), z.string()),
  policies: z.array(z.string()),
  lastPoint: z.object({ id: z.string(), createdAt: z.string() }).optional(),
});
