/** Assertions are for our own mistakes. They are never caught to carry on; wrong input from outside is an AppError instead. */
export function assert(condition: unknown, why: string): asserts condition {
  if (!condition) throw new AssertionError(why);
}

/** Use in the default branch of a switch over a closed union: a new member then fails to compile. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected value ${JSON.stringify(value)}`);
}

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}
