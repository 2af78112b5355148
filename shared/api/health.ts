/** Says that the process answers, and nothing else: it is open to everyone. */
import { z } from 'zod';
import { json } from './http';
import { defineRoute } from './route';

export const health = defineRoute({
  name: 'health',
  method: 'GET',
  path: 'healthz',
  area: 'Service',
  roles: 'anonymous',
  scope: 'public',
  mutates: false,
  summary: 'Does the process answer?',
  replies: { 200: { description: 'It does', schema: z.strictObject({ status: z.literal('ok') }) } },
  handler: async () => json(200, { status: 'ok' }),
});
