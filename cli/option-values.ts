/** Schemas of option values that several commands take. */
import { z } from 'zod';

export const flag = z.boolean().default(false);
export const text = z.string().min(1, 'must not be empty');
export const optionalText = text.optional();

/** A number of things, from 1 on. */
export const count = (fallback: number, most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'a whole number is wanted')
    .transform(Number)
    .pipe(z.number().min(1).max(most))
    .default(fallback);

/** `os`, or the LUN of a data disk. */
export const lun = z
  .string()
  .regex(/^(os|\d{1,2})$/, 'os, or the LUN of a data disk')
  .transform((given) => (given === 'os' ? ('os' as const) : Number(given)));
export const luns = z.array(lun).optional();

/** `name=value`, or `name` for any value. */
export const tagRule = z
  .string()
  .regex(/^[^=]+(=.*)?$/, 'TAG or TAG=VALUE is wanted')
  .transform((given) => {
    const at = given.indexOf('=');
    return at < 0 ? { tag: given } : { tag: given.slice(0, at), value: given.slice(at + 1) };
  });
