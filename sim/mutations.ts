/**
 * Safeguards taken away, one at a time, in this process only: by patching exported functions and methods of the compiled
 * product, or by a port that does less. Each must be noticed.
 */
import { S3ObjectStore } from '../shared/aws/s3-object-store';
import { AppError } from '../shared/model/errors';

export interface Mutation {
  readonly name: string;
  /** What is taken away. */
  readonly what: string;
  /** Takes it away; the result puts it back. */
  readonly apply: () => () => void;
}

type Put = (...args: unknown[]) => Promise<string | undefined>;

/** Replaces a property until it is put back. */
export function patch<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  make: (original: Target[Name]) => Target[Name],
): () => void {
  const original = target[name];
  target[name] = make(original);
  return () => {
    target[name] = original;
  };
}

export const mutations: readonly Mutation[] = [
  {
    name: 'treat-412-as-failed',
    what: 'a 412 counts as a refusal, nobody looks whether it is our own success',
    apply: () =>
      patch(
        S3ObjectStore.prototype as unknown as { put: Put },
        'put',
        (original) =>
          async function (this: unknown, ...args) {
            const etag = await original.apply(this, args);
            if (etag === undefined) throw new AppError('store.denied', 'the store answered 412 PreconditionFailed');
            return etag;
          },
      ),
  },
];

export function applyMutation(name: string): () => void {
  const mutation = mutations.find((candidate) => candidate.name === name);
  if (!mutation) throw new AppError('request.invalid', `no mutation ${name}`);
  return mutation.apply();
}
