/** Settings of one installation belong to one Azure cloud and to one account of one AWS partition. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { azureClouds, cloudProblems, partitionOf } from '../../shared/app/clouds';
import { loadSettings } from '../../shared/app/config';
import { sessionPolicy } from '../../shared/aws/session-policy';

const ROOT = join(__dirname, '..', '..');
const sample = JSON.parse(readFileSync(join(ROOT, 'local.settings.sample.json'), 'utf8')) as {
  Values: Record<string, string>;
};

/** A whole installation in the cloud of that name. */
function settingsIn(name: string, region: string): Record<string, string> {
  const cloud = azureClouds.find((one) => one.name === name);
  if (!cloud) throw new Error(`no cloud ${name}`);
  const arn = (role: string): string => `arn:${partitionOf(region)}:iam::111122223333:role/${role}`;
  const { BLOCKFERRY_STORAGE_CONNECTION: _, AWS_ENDPOINT_URL: __, BLOCKFERRY_KEY_FILE: ___, ...rest } = sample.Values;
  return {
    ...rest,
    BLOCKFERRY_ARM_ENDPOINT: `https://${cloud.armHost}`,
    BLOCKFERRY_ARM_AUDIENCE: `https://${cloud.armHost}`,
    BLOCKFERRY_AUTH: 'entra',
    BLOCKFERRY_AUTH_AUTHORITY: `https://${cloud.authorityHost}`,
    BLOCKFERRY_QUEUE_ENDPOINT: `https://blockferry.queue${cloud.storageSuffix}`,
    BLOCKFERRY_TABLE_ENDPOINT: `https://blockferry.table${cloud.storageSuffix}`,
    BLOCKFERRY_KEY_VAULT_KEY: `https://blockferry${cloud.keyVaultSuffix}/keys/contoso`,
    AWS_REGION: region,
    BLOCKFERRY_WRITER_ROLE_ARN: arn('writer'),
    BLOCKFERRY_READER_ROLE_ARN: arn('reader'),
    BLOCKFERRY_COLLECTOR_ROLE_ARN: arn('collector'),
    BLOCKFERRY_KEEPER_ROLE_ARN: arn('keeper'),
    BLOCKFERRY_CATALOGUE_ROLE_ARN: arn('catalogue'),
  };
}

const installations = [
  ['AzureCloud', 'eu-central-1'],
  ['AzureUSGovernment', 'us-gov-west-1'],
  ['AzureChinaCloud', 'cn-north-1'],
  ['AzureChinaCloud', 'eu-west-1'], // the two sides need not be in one country
] as const;

test.each(installations)('an installation in %s with buckets in %s is accepted', (cloud, region) => {
  expect(loadSettings(settingsIn(cloud, region)).AWS_REGION).toBe(region);
});

test.each(installations)('in %s with buckets in %s, each setting of another cloud is named', (cloud, region) => {
  const other = settingsIn(
    cloud === 'AzureCloud' ? 'AzureChinaCloud' : 'AzureCloud',
    region === 'cn-north-1' ? 'eu-west-1' : 'cn-north-1',
  );
  const right = settingsIn(cloud, region);
  for (const name of Object.keys(right).filter((key) => right[key] !== other[key] && !key.endsWith('_AUDIENCE'))) {
    expect(() => loadSettings({ ...right, [name]: other[name] })).toThrow(
      /is of (AzureCloud|AzureUSGovernment|AzureChinaCloud|partition)/,
    );
  }
});

test('roles of two accounts are refused, addresses of no known cloud are not judged', () => {
  const right = settingsIn('AzureCloud', 'eu-west-1');
  const foreign = 'arn:aws:iam::999999999999:role/reader';
  expect(() => loadSettings({ ...right, BLOCKFERRY_READER_ROLE_ARN: foreign })).toThrow(/another account/);
  expect(
    cloudProblems({
      azure: { A: 'https://localhost:1', B: 'https://management.azure.com' },
      roleArns: {},
      awsRegion: 'x',
    }),
  ).toEqual([]);
});

test.each([
  ['eu-central-1', 'aws'],
  ['cn-northwest-1', 'aws-cn'],
  ['us-gov-east-1', 'aws-us-gov'],
  ['us-iso-east-1', 'aws-iso'],
  ['us-isob-east-1', 'aws-iso-b'],
])('region %s is of partition %s', (region, partition) => expect(partitionOf(region)).toBe(partition));

test('a session policy names the buckets of its partition', () => {
  const buckets = { dataBucket: 'data-bucket', controlBucket: 'control-bucket' };
  for (const partition of ['aws-cn', 'aws-us-gov']) {
    const text = sessionPolicy({ role: 'writer', tenant: 'contoso', sessionId: 'j-1', ...buckets, partition });
    expect(new Set(text.match(/arn:[\w-]+:s3/g))).toEqual(new Set([`arn:${partition}:s3`]));
  }
});
