/** Reading JSON of unknown shape: each function gives undefined (or an empty value) for anything else. */
export type Json = Readonly<Record<string, unknown>>;

export function asObject(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The value at a path of property names. */
export function at(value: unknown, ...names: readonly string[]): unknown {
  let current = value;
  for (const name of names) current = asObject(current)[name];
  return current;
}
