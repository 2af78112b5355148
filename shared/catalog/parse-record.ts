import type { z } from 'zod';
import { AppError } from '../model/errors';

/**
 * What is stored is input like any other: written by another version, or by hand. A record that does not fit is reported as
 * `format.unknown` with its place and the fields, never with its content.
 */
export function parseRecord<Schema extends z.ZodType>(schema: Schema, what: string, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const paths = parsed.error.issues.map((issue) => issue.path.join('.') || '(all of it)').join(', ');
  throw new AppError('format.unknown', `the stored record of ${what} does not fit this version: ${paths}`);
}
