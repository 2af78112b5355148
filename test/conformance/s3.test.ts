/**
 * The S3 conformance suite, against the simulator; or against any S3 server, when the environment names one:
 *
 *   S3_CONFORMANCE_ENDPOINT    such as https://s3.eu-central-1.amazonaws.com or http://127.0.0.1:9000
 *   S3_CONFORMANCE_BUCKET      beginning of the names of the buckets that the suite makes and removes (blockferry-test)
 *   S3_CONFORMANCE_PATH_STYLE  false for virtual-host style (true)
 *   AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, ...  as always with the SDK
 *
 * The credentials need s3:* on these buckets. Versions under COMPLIANCE stay for two minutes: on a real account
 * the locked bucket has to be removed by hand after the run.
 */
import { S3Client } from '@aws-sdk/client-s3';
import { ADMIN, REGION, startAws } from '../cloud/aws-harness';
import { type S3Target, s3Conformance } from './s3';

const endpoint = process.env['S3_CONFORMANCE_ENDPOINT'];

if (endpoint === undefined) {
  s3Conformance('S3, simulated', openSimulator, { canAdvanceClock: true });
} else {
  s3Conformance(`S3 at ${endpoint}`, () => openServer(endpoint), { canAdvanceClock: false });
}

async function openSimulator(): Promise<S3Target> {
  const aws = await startAws();
  return {
    client: aws.client({ credentials: ADMIN }),
    bucket: 'blockferry-test',
    region: REGION,
    advanceClock: (ms) => aws.setNow(Date.now() + ms),
    close: () => aws.close(),
  };
}

async function openServer(url: string): Promise<S3Target> {
  const region = process.env['AWS_REGION'] ?? 'us-east-1';
  const client = new S3Client({
    endpoint: url,
    region,
    forcePathStyle: process.env['S3_CONFORMANCE_PATH_STYLE'] !== 'false',
    maxAttempts: 1,
  });
  return {
    client,
    bucket: process.env['S3_CONFORMANCE_BUCKET'] ?? 'blockferry-test',
    region,
    async close() {
      client.destroy();
    },
  };
}
