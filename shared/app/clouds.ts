/**
 * The clouds there are, as far as settings name them. Each side is a closed world: an identity of one Azure cloud is unknown to
 * ARM of another, a role of one AWS partition cannot own a bucket of another. Settings that mix them fail far from their
 * cause, in the middle of the first job; so they are held against each other before anything starts.
 *
 * Sources: Azure's endpoints by `az cloud show` (AzureCloud, AzureUSGovernment, AzureChinaCloud); issuers of v1.0 tokens in
 * https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud; partitions in
 * https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
 */
export interface AzureCloud {
  readonly name: string;
  readonly armHost: string;
  readonly authorityHost: string;
  /** Host of the issuer of managed identities' tokens: what the OIDC provider in AWS is named after. */
  readonly issuerHost: string;
  readonly storageSuffix: string;
  readonly keyVaultSuffix: string;
}

export const azureClouds: readonly AzureCloud[] = [
  {
    name: 'AzureCloud',
    armHost: 'management.azure.com',
    authorityHost: 'login.microsoftonline.com',
    issuerHost: 'sts.windows.net',
    storageSuffix: '.core.windows.net',
    keyVaultSuffix: '.vault.azure.net',
  },
  {
    name: 'AzureUSGovernment',
    armHost: 'management.usgovcloudapi.net',
    authorityHost: 'login.microsoftonline.us',
    issuerHost: 'sts.windows.net',
    storageSuffix: '.core.usgovcloudapi.net',
    keyVaultSuffix: '.vault.usgovcloudapi.net',
  },
  {
    name: 'AzureChinaCloud',
    armHost: 'management.chinacloudapi.cn',
    authorityHost: 'login.chinacloudapi.cn',
    issuerHost: 'sts.chinacloudapi.cn',
    storageSuffix: '.core.chinacloudapi.cn',
    keyVaultSuffix: '.vault.azure.cn',
  },
];

/** AWS partition of a region, by the beginning of its name. */
const PARTITIONS: ReadonlyArray<readonly [prefix: string, partition: string]> = [
  ['cn-', 'aws-cn'],
  ['us-gov-', 'aws-us-gov'],
  ['us-isob-', 'aws-iso-b'],
  ['us-iso-', 'aws-iso'],
  ['', 'aws'],
];

export const partitionOf = (region: string): string =>
  PARTITIONS.find(([prefix]) => region.startsWith(prefix))?.[1] ?? 'aws';

/** Settings by name, as far as they say where something is. */
export interface CloudSettings {
  /** Urls of Azure. An address that belongs to no known cloud (a simulator, a private link) says nothing. */
  readonly azure: Readonly<Record<string, string | undefined>>;
  readonly roleArns: Readonly<Record<string, string | undefined>>;
  readonly awsRegion: string;
}

/** One sentence for each setting that belongs to another cloud, partition or account than the rest. Empty: they agree. */
export function cloudProblems({ azure, roleArns, awsRegion }: CloudSettings): string[] {
  const problems: string[] = [];
  const clouds = Object.entries(azure).flatMap(([name, url]) => {
    const cloud = url === undefined ? undefined : cloudOf(url);
    return cloud ? [{ name, cloud }] : [];
  });
  const [first, ...others] = clouds;
  for (const { name, cloud } of others) {
    if (first && cloud !== first.cloud) {
      problems.push(`${name}: is of ${cloud.name}, and ${first.name} is of ${first.cloud.name}`);
    }
  }
  const roles = Object.entries(roleArns).flatMap(([name, arn]) => {
    const [, partition, , , account] = arn?.split(':') ?? [];
    return partition === undefined || account === undefined ? [] : [{ name, partition, account }];
  });
  const partition = partitionOf(awsRegion);
  for (const role of roles) {
    if (role.partition !== partition) {
      problems.push(`${role.name}: is of partition ${role.partition}, and AWS_REGION ${awsRegion} is of ${partition}`);
    } else if (role.account !== roles[0]?.account) {
      problems.push(`${role.name}: is of another account than ${roles[0]?.name}; the roles live where the buckets are`);
    }
  }
  return problems;
}

function cloudOf(url: string): AzureCloud | undefined {
  const host = URL.parse(url)?.hostname.toLowerCase() ?? '';
  return azureClouds.find(
    ({ armHost, authorityHost, storageSuffix, keyVaultSuffix }) =>
      host === armHost || host === authorityHost || host.endsWith(storageSuffix) || host.endsWith(keyVaultSuffix),
  );
}
