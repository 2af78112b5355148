/** The simulated identity and AWS account in this process, set up with the product's roles and bucket policies. */
import { type AwsNames, awsSeed, roleArn } from '../../local/stack/aws-seed';
import { type ClosableStoreAccess, createStoreAccess, type StoreAccessOptions } from '../../shared/aws/store-access';
import { createAzureCredential, createTokenProvider } from '../../shared/azure/credential';
import { accountId, audience, type Fixture, identityObject, startFixture } from '../azure/cloud-fixture';

export const names: AwsNames = {
  accountId,
  region: 'eu-central-1',
  audience,
  subject: identityObject,
  tenant: 'acme',
  dataBucket: 'blockferry-data',
  controlBucket: 'blockferry-control',
};

export interface StoreFixture {
  readonly cloud: Fixture;
  readonly access: ClosableStoreAccess;
  /** JWTs asked for so far. */
  tokensAsked(): number;
  open(options?: Partial<StoreAccessOptions>): ClosableStoreAccess;
  requests(operation: string): number;
  close(): Promise<void>;
}

export async function startStoreFixture({
  lockDays,
  users = [],
}: {
  readonly lockDays?: number;
  readonly users?: readonly object[];
} = {}): Promise<StoreFixture> {
  const aws = awsSeed({ ...names, ...(lockDays === undefined ? {} : { lockDays }) });
  const cloud = await startFixture({ aws: { ...aws, users }, vms: [], scaleSets: [] });
  const token = createTokenProvider(createAzureCredential(), audience);
  let asked = 0;
  const opened: ClosableStoreAccess[] = [];
  const open = (options: Partial<StoreAccessOptions> = {}): ClosableStoreAccess => {
    const access = createStoreAccess({
      region: names.region,
      endpoint: cloud.cloud.endpoints.aws,
      webIdentityToken: () => {
        asked += 1;
        return token();
      },
      roles: {
        writer: roleArn(accountId, 'writer'),
        reader: roleArn(accountId, 'reader'),
        collector: roleArn(accountId, 'collector'),
        keeper: roleArn(accountId, 'keeper'),
      },
      dataBucket: names.dataBucket,
      controlBucket: names.controlBucket,
      accountId,
      rule: { attemptsMax: 6, firstDelayMs: 2, delayMsMax: 10 },
      ...options,
    });
    opened.push(access);
    return access;
  };
  return {
    cloud,
    access: open(),
    open,
    tokensAsked: () => asked,
    requests: (operation) =>
      cloud.cloud.context.log.entries({ service: 'aws' }).filter((entry) => entry.operation === operation).length,
    close: async () => {
      for (const access of opened) access.close();
      await cloud.close();
    },
  };
}
