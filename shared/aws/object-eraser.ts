/**
 * Deletes object versions for good, under a role of its own and a session policy that ends at one tenant's key envelopes.
 * S3 refuses to delete a version under an object lock: such versions are reported, not retried.
 */

import type { ListObjectVersionsCommandOutput } from '@aws-sdk/client-s3';
import { assert } from '../base/assert';
import { systemClock } from '../base/clock';
import type { ErasedObjects, ObjectEraser } from '../blockstore/object-store';
import { isAppError } from '../model/errors';
import { S3Caller } from './s3-caller';
import { sessionNameOf } from './session-policy';
import type { StoreAccessOptions } from './store-access';
import { assumeRole } from './web-identity';

export interface ObjectEraserOptions extends Omit<StoreAccessOptions, 'roles' | 'webIdentityToken'> {
  readonly webIdentityToken: () => Promise<string>;
  readonly roleArn: string;
  readonly tenant: string;
}

interface Version {
  readonly key: string;
  readonly versionId: string;
}

/** Where the next page of a listing begins; empty for the first. */
interface Marker {
  readonly KeyMarker?: string;
  readonly VersionIdMarker?: string;
}

const PAGE_KEYS = 1000;

export function createObjectEraser(options: ObjectEraserOptions): ObjectEraser {
  const { clock = systemClock, random = Math.random, region, endpoint, tenant, accountId } = options;
  const rule = options.rule ?? { attemptsMax: 8, firstDelayMs: 250, delayMsMax: 15_000 };
  const envelopes = `t/${tenant}/k/`;
  const place = { region, maxAttempts: 1, ...(endpoint ? { endpoint } : {}) };
  const caller = new S3Caller({
    createClient: (sdk) => {
      const { STSClient } = require('@aws-sdk/client-sts') as typeof import('@aws-sdk/client-sts');
      const sts = new STSClient(place);
      const credentials = () =>
        assumeRole({
          sts,
          roleArn: options.roleArn,
          sessionName: sessionNameOf(`erase-${tenant}`),
          policy: erasePolicy(options),
          durationSeconds: options.sessionSeconds ?? 900,
          webIdentityToken: options.webIdentityToken,
          clock,
          random,
          rule,
        });
      return new sdk.S3Client({ ...place, credentials, ...(endpoint ? { forcePathStyle: true } : {}) });
    },
    clock,
    random,
    rule,
  });
  const owner = accountId === undefined ? {} : { ExpectedBucketOwner: accountId };

  async function* versions(bucket: string, prefix: string, signal: AbortSignal | undefined): AsyncIterable<Version> {
    let from: Marker | undefined = {};
    while (from) {
      const marker: Marker = from;
      const what = `listing versions below ${prefix}`;
      const page: ListObjectVersionsCommandOutput = await caller.call(
        { what, bytes: 0, signal },
        ({ sdk, client, abortSignal }) => {
          const query = { Bucket: bucket, Prefix: prefix, MaxKeys: PAGE_KEYS, ...owner, ...marker };
          return client.send(new sdk.ListObjectVersionsCommand(query), { abortSignal });
        },
      );
      for (const { Key, VersionId } of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) {
        if (Key !== undefined && VersionId !== undefined) yield { key: Key, versionId: VersionId };
      }
      from = page.IsTruncated
        ? { KeyMarker: page.NextKeyMarker ?? '', VersionIdMarker: page.NextVersionIdMarker ?? '' }
        : undefined;
    }
  }

  return {
    eraseAll: async (which, prefix, { signal } = {}): Promise<ErasedObjects> => {
      assert(prefix.startsWith(envelopes), 'only key envelopes of the tenant are erased');
      const bucket = which === 'data' ? options.dataBucket : options.controlBucket;
      let deletedCount = 0;
      const kept = new Set<string>();
      for await (const { key, versionId } of versions(bucket, prefix, signal)) {
        try {
          await caller.call({ what: `erasing ${key}`, bytes: 0, signal }, ({ sdk, client, abortSignal }) =>
            client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId, ...owner }), {
              abortSignal,
            }),
          );
          deletedCount++;
        } catch (error) {
          if (!isAppError(error, 'store.denied') || error.retryable) throw error;
          kept.add(key);
        }
      }
      return { deletedCount, kept: [...kept] };
    },
  };
}

function erasePolicy({ roleArn, tenant, dataBucket, controlBucket }: ObjectEraserOptions): string {
  const partition = /^arn:(aws[\w-]*):/.exec(roleArn)?.[1] ?? 'aws';
  const buckets = [dataBucket, controlBucket].map((bucket) => `arn:${partition}:s3:::${bucket}`);
  for (const part of [tenant, dataBucket, controlBucket])
    assert(/^[a-zA-Z0-9.-]+$/.test(part), 'no wildcards in names');
  const prefix = `t/${tenant}/k/*`;
  return JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 's3:DeleteObjectVersion', Resource: buckets.map((bucket) => `${bucket}/${prefix}`) },
      {
        Effect: 'Allow',
        Action: ['s3:ListBucket', 's3:ListBucketVersions'],
        Resource: buckets,
        Condition: { StringLike: { 's3:prefix': prefix } },
      },
    ],
  });
}
