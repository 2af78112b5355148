/**
 * The AWS side of the simulator: S3 and STS on one port, plain http, told apart by the request.
 *
 * Not emulated, and answered with 501 NotImplemented: ListObjects (v1), UploadPartCopy, ACLs, tags, encryption by KMS
 * or customer keys, replication, notifications, archive classes, PolicyArns, and every STS action but two. Known
 * differences: a lifecycle is stored and never executed; an object put without a checksum gets none (S3 would add
 * CRC64NVME); PackedPolicySize is an estimate; everything belongs to one account in one region; changes of a bucket's
 * configuration act at once.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Issuer } from '../kit/issuer';
import type { CloudContext, CloudService } from '../kit/service';
import { createAccount } from './iam/account';
import { openSessionSeal } from './iam/session-seal';
import { registerS3Control } from './s3/control';
import { s3OperationOf } from './s3/routes';
import { handleS3, s3ErrorXml } from './s3/s3';
import { openS3State } from './s3/state';
import { type AwsSeed, resolveSeed } from './seed';
import { handleSts, isStsRequest, stsErrorXml, stsOperationOf } from './sts/sts';
import { codeOfStatus } from './wire/aws-error';
import { s3AddressOf } from './wire/s3-address';

/** Throws when the seed is not usable, naming each wrong field. */
export function createAwsService(context: CloudContext, seed: AwsSeed, issuer: Issuer): CloudService {
  const directory = join(context.stateDirectory, 'aws');
  const resolved = resolveSeed(seed, issuer);
  const account = createAccount(resolved, openSessionSeal(join(directory, 'session.key')));
  const treatLoopbackAsTls = resolved.treatLoopbackAsTls ?? true;
  const s3 = openS3State({
    directory,
    account,
    seedBuckets: resolved.buckets,
    treatLoopbackAsTls,
    nowMs: context.now(),
  });
  registerS3Control(context.registerControl, s3);
  return {
    name: 'aws',
    operationOf(request) {
      if (isStsRequest(request)) return `sts.${stsOperationOf(request)}`;
      return `s3.${s3OperationOf(request, s3AddressOf(request)) ?? 'NotEmulated'}`;
    },
    errorReply(operation, status, code) {
      const name = code ?? codeOfStatus(status);
      const message = `Injected ${status}`;
      if (operation.startsWith('sts.')) {
        return {
          headers: { 'content-type': 'text/xml' },
          body: stsErrorXml(status, name, message, randomUUID()),
        };
      }
      return { headers: { 'content-type': 'application/xml' }, body: s3ErrorXml(name, message) };
    },
    async handle(request, response, operation) {
      const nowMs = context.now();
      if (operation.startsWith('sts.'))
        await handleSts({ account, issuer, treatLoopbackAsTls }, request, response, nowMs);
      else await handleS3(s3, request, response, nowMs);
    },
    async close() {
      s3.database.close();
    },
  };
}
