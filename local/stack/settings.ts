/** The settings of the product on the embedded stack: the same names as in the cloud, other endpoints. Pure. */
import path from 'node:path';
import { roleArn } from './aws-seed';
import type { StateLayout } from './layout';
import type { Ports } from './ports';

/** Fixed identities of the simulated tenant; local.settings.sample.json names the same ones. */
export const sampleTenant = {
  tenant: 'contoso',
  tenantId: '8f1a6c52-7d0e-4b3c-9a45-2f6b1c3d4e50',
  subscription: '5d1d6c4e-2b7a-4e0f-9c39-0a4f6f1b7a01',
  regions: ['westeurope', 'northeurope'],
  snapshotGroup: 'blockferry-snapshots',
  clientId: '3c9e1b7a-5f24-4d86-b0c1-7e8a9d2f4b61',
  objectId: 'a2b4c6d8-1e3f-4a5b-8c7d-9e0f1a2b3c4d',
  // Identities of their own, as in infra/azure: AWS trusts each with one role.
  collector: { clientId: '5b7d9f13-2c4e-4a68-9e0b-6d8f1a3c5e72', objectId: 'b3c5d7e9-2f4a-4b6c-9d8e-0f1a2b3c4d5e' },
  keeper: { clientId: '6c8e0a24-3d5f-4b79-8f1c-7e9a2b4d6f83', objectId: 'c4d6e8fa-3a5b-4c7d-8e9f-1a2b3c4d5e6f' },
  audience: 'api://blockferry',
  apiAudience: 'api://blockferry-api',
  accountId: '111122223333',
  awsRegion: 'eu-central-1',
  dataBucket: 'blockferry-data',
  controlBucket: 'blockferry-control',
} as const;

/** What the simulator says of itself when it is ready. */
export interface CloudAddresses {
  readonly arm: string;
  readonly disk: string;
  readonly identity: string;
  readonly identityHeader: string;
  readonly keyVault: string;
  readonly aws: string;
  readonly control: string;
  readonly caFile: string;
}

const MIB = 1024 * 1024;

/** Azurite's one account and key are public knowledge, printed in its documentation. */
export function storageConnection(ports: Pick<Ports, 'blob' | 'queue' | 'table'>): string {
  const at = (service: string, port: number): string => `${service}Endpoint=http://127.0.0.1:${port}/devstoreaccount1;`;
  return (
    'DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;' +
    'AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;' +
    at('Blob', ports.blob) +
    at('Queue', ports.queue) +
    at('Table', ports.table)
  );
}

export function productSettings(layout: StateLayout, ports: Ports, cloud: CloudAddresses): Record<string, string> {
  const connection = storageConnection(ports);
  return {
    FUNCTIONS_WORKER_RUNTIME: 'node',
    AzureWebJobsStorage: connection,
    BLOCKFERRY_STORAGE_CONNECTION: connection,
    BLOCKFERRY_TENANT: sampleTenant.tenant,
    BLOCKFERRY_SUBSCRIPTIONS: sampleTenant.subscription,
    BLOCKFERRY_REGIONS: sampleTenant.regions.join(','),
    BLOCKFERRY_SNAPSHOT_GROUP: sampleTenant.snapshotGroup,
    BLOCKFERRY_ARM_ENDPOINT: cloud.arm,
    NODE_EXTRA_CA_CERTS: cloud.caFile,
    IDENTITY_ENDPOINT: cloud.identity,
    IDENTITY_HEADER: cloud.identityHeader,
    BLOCKFERRY_IDENTITY_CLIENT_ID: sampleTenant.clientId,
    BLOCKFERRY_COLLECTOR_CLIENT_ID: sampleTenant.collector.clientId,
    BLOCKFERRY_KEEPER_CLIENT_ID: sampleTenant.keeper.clientId,
    BLOCKFERRY_AUTH: 'function-key',
    BLOCKFERRY_AUTH_AUTHORITY: new URL(cloud.identity).origin,
    BLOCKFERRY_AUTH_TENANT: sampleTenant.tenantId,
    BLOCKFERRY_AUTH_AUDIENCE: sampleTenant.apiAudience,
    BLOCKFERRY_AWS_AUDIENCE: sampleTenant.audience,
    AWS_REGION: sampleTenant.awsRegion,
    AWS_ENDPOINT_URL: cloud.aws,
    BLOCKFERRY_WRITER_ROLE_ARN: roleArn(sampleTenant.accountId, 'writer'),
    BLOCKFERRY_READER_ROLE_ARN: roleArn(sampleTenant.accountId, 'reader'),
    BLOCKFERRY_COLLECTOR_ROLE_ARN: roleArn(sampleTenant.accountId, 'collector'),
    BLOCKFERRY_KEEPER_ROLE_ARN: roleArn(sampleTenant.accountId, 'keeper'),
    BLOCKFERRY_CATALOGUE_ROLE_ARN: roleArn(sampleTenant.accountId, 'catalogue'),
    BLOCKFERRY_DATA_BUCKET: sampleTenant.dataBucket,
    BLOCKFERRY_CONTROL_BUCKET: sampleTenant.controlBucket,
    BLOCKFERRY_KEY_FILE: layout.keyFile,
    BLOCKFERRY_SERVES: 'all',
    BLOCKFERRY_FLEET: 'process',
    BLOCKFERRY_STATE_DIRECTORY: layout.proxies,
    BLOCKFERRY_IMAGE_DIRECTORY: layout.restored,
    // Small disks should have more than one window too.
    BLOCKFERRY_WINDOW_BYTES: String(64 * MIB),
    BLOCKFERRY_POLL_MS: '250',
    // A data proxy that dies is noticed by its silence.
    BLOCKFERRY_STALL_MS: '8000',
    BLOCKFERRY_TASK_HUB: 'blockferry',
    BLOCKFERRY_SCHEDULE: '0 * * * * *',
    BLOCKFERRY_JANITOR_SCHEDULE: '30 */5 * * * *',
    BLOCKFERRY_KEEPER_SCHEDULE: '0 17 * * * *',
    BLOCKFERRY_RETENTION_SCHEDULE: '0 30 5 * * *',
  };
}

/** What every child inherits from the person's own environment: enough to run, nothing that would leak into the product. */
export function baseEnvironment(parentPid: number, stackId: string): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'LANG', 'TZ', 'SystemRoot', 'USERPROFILE', 'APPDATA'];
  const inherited = kept.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return {
    ...Object.fromEntries(inherited),
    PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}`,
    BLOCKFERRY_PARENT_PID: String(parentPid),
    // Marks every process of this stack, so that what remains can be found whoever started it.
    BLOCKFERRY_STACK_ID: stackId,
  };
}
