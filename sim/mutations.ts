/**
 * Safeguards taken away, one at a time, in this process only: by patching exported functions and methods of the compiled
 * product, or by a port that does less. Each must be noticed.
 */
import { S3ObjectStore } from '../shared/aws/s3-object-store';
import { PageListScan } from '../shared/azure/page-list-xml';

import { AppError } from '../shared/model/errors';

export interface Mutation {
  readonly name: string;
  /** What is taken away. */
  readonly what: string;
  /** Takes it away; the result puts it back. */
  readonly apply: () => () => void;
}

/** The modules themselves: their exports are replaced, and whoever calls them calls the replacement. */
const blockIds = require('../shared/format/block-id') as Writable<typeof import('../shared/format/block-id')>;
const computeJobs = require('../shared/blockstore/compute-jobs') as Writable<
  typeof import('../shared/blockstore/compute-jobs')
>;
const pageRanges = require('../shared/azure/page-ranges') as Writable<typeof import('../shared/azure/page-ranges')>;

type Writable<Module> = { -readonly [Name in keyof Module]: Module[Name] };
type Page = (
  ...args: unknown[]
) => Promise<{ readonly objects: readonly unknown[]; readonly next: string | undefined }>;
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
  {
    name: 'skip-id-check',
    what: 'blocks are not hashed again and held against their ids, before a pack is stored and after it is read',
    apply: () => patch(blockIds, 'firstWrongBlock', () => () => undefined),
  },
  {
    name: 'skip-verify-before-upload',
    what: 'a pack is stored without being decoded again',
    apply: () =>
      patch(
        computeJobs,
        'runJob',
        (original) =>
          function* (job) {
            return job.kind === 'verify-frame' ? { blocks: 0 } : yield* original(job);
          },
      ),
  },
  {
    name: 'ignore-continuation-token',
    what: 'the first page of a list of page ranges is taken for all of it',
    apply: () =>
      patch(
        PageListScan.prototype,
        'finish',
        (original) =>
          function (this: PageListScan) {
            return { ...original.apply(this), nextMarker: '' };
          },
      ),
  },
  {
    name: 'ignore-continuation-token-of-s3',
    what: 'the first page of a listing of a bucket is taken for all of it',
    apply: () =>
      patch(
        S3ObjectStore.prototype as unknown as { page: Page },
        'page',
        (original) =>
          async function (this: unknown, ...args) {
            return { ...(await original.apply(this, args)), next: undefined };
          },
      ),
  },
  {
    name: 'use-count',
    what: 'a range ends where the SDK says that it has so many bytes, one short of the truth',
    apply: () =>
      patch(
        pageRanges,
        'listPageRanges',
        (original) => async (http, request) =>
          (await original(http, request)).map(({ start, end }) => ({ start, end: end - 1 })),
      ),
  },
];

export function applyMutation(name: string): () => void {
  const mutation = mutations.find((candidate) => candidate.name === name);
  if (!mutation) throw new AppError('request.invalid', `no mutation ${name}`);
  return mutation.apply();
}
