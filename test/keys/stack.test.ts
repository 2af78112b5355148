/** The whole embedded stack with Key Vault and escrow: a backup, a restore, and what a person does with the keys. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setDefaultCACertificates } from 'node:tls';
import { KeyClient } from '@azure/keyvault-keys';
import { roleArn } from '../../local/stack/aws-seed';
import { findBuild } from '../../local/stack/layout';
import { sampleTenant } from '../../local/stack/settings';
import { storeAccessOptions } from '../../shared/app/compose-data-plane';
import { loadSettings } from '../../shared/app/config';
import { createEscrowWrapper } from '../../shared/app/key-escrow';
import { createStoreAccess } from '../../shared/aws/store-access';
import { createAzureCredential } from '../../shared/azure/credential';
import { silentLogger } from '../../shared/base/logger';
import { openRootKey } from '../../shared/blockstore/tenant-keys';
import { onlySnapshots, startTrial, type Trial } from '../stack/harness';
import { changeImage, MIB } from '../stack/images';
import { filesBelow } from '../stack/secrets';

const { tenant } = sampleTenant;
let trial: Trial;
let vault: KeyClient;

beforeAll(async () => {
  trial = await startTrial({
    keys: 'key-vault',
    machines: [{ name: 'sealed', disks: [{ lun: 'os', bytes: 24 * MIB }] }],
  });
  setDefaultCACertificates([readFileSync(trial.stack.cloud.caFile, 'utf8')]);
  for (const name of ['IDENTITY_ENDPOINT', 'IDENTITY_HEADER']) process.env[name] = trial.stack.settings[name];
  vault = new KeyClient(trial.stack.cloud.keyVault, createAzureCredential(), {
    disableChallengeResourceVerification: true,
  });
}, 60_000);
afterAll(async () => trial.stop(), 30_000);

interface CommandResult {
  readonly code: number;
  readonly said: Readonly<Record<string, unknown>>;
  readonly log: string;
}

function keyCommand(...args: readonly string[]): Promise<CommandResult> {
  const program = path.join(findBuild().dist, 'cli', 'main.js');
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, 'key', ...args, '--json'],
      { env: { ...process.env, ...trial.stack.settings } },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, said: saidOf(stdout, stderr), log: stderr }),
    );
  });
}

/** The result, or the error: the last line of stderr, after log lines. */
function saidOf(stdout: string, stderr: string): Readonly<Record<string, unknown>> {
  const line = (stdout || stderr).trimEnd().split('\n').at(-1) ?? '';
  return line.startsWith('{') ? (JSON.parse(line) as Readonly<Record<string, unknown>>) : {};
}

/** By the way that is left when all else is lost. */
async function rootKeyByEscrow(): Promise<Buffer> {
  const settings = loadSettings(trial.stack.settings);
  const access = createStoreAccess(storeAccessOptions(settings, createAzureCredential()));
  const escrow = createEscrowWrapper({ path: trial.stack.layout.escrowPrivateKeyFile, half: 'private' });
  const { rootKey } = await openRootKey(
    {
      stores: access.open({ role: 'reader', tenant, sessionId: 'escrow-1' }),
      tenant,
      logger: silentLogger,
      wrappers: [escrow],
      randomBytes: Buffer.alloc,
    },
    false,
  );
  access.close();
  return rootKey;
}

test('backup and restore with Key Vault and escrow; the vault is asked a few times, not per session', async () => {
  await trial.backup('sealed');
  changeImage(trial.imageOf('sealed', 'os'), 3 * MIB, MIB, 'second');
  await trial.cloud.importDisk(trial.diskId('sealed', 'os'), trial.imageOf('sealed', 'os'));
  await trial.backup('sealed');
  const [newest] = await trial.points('sealed');
  expect(await trial.restoredDigests(newest?.id ?? '')).toEqual(trial.digests('sealed', ['os']));
  for (const bucket of [sampleTenant.dataBucket, sampleTenant.controlBucket]) {
    expect(await trial.cloud.objects(bucket, `t/${tenant}/k/`)).toHaveLength(1);
  }
  const unwraps = (await trial.cloud.log('keyvault')).filter(({ operation }) => operation === 'keyvault.unwrapKey');
  // One challenge and one answer for each process that was started: hosts and data proxies, not sessions and windows.
  expect(unwraps.length).toBeLessThanOrEqual(16);
}, 120_000);

test('a rotated vault key is wrapped under by command, and backups go on', async () => {
  await vault.rotateKey(tenant);
  const { code, said } = await keyCommand('rewrap');
  expect(code).toBe(0);
  expect(said).toMatchObject({ tenant, rewrap: 1, packGeneration: 1 });
  expect(await keyCommand('rotate-pack-key')).toMatchObject({ code: 0, said: { rewrap: 2, packGeneration: 2 } });
  const status = await keyCommand('status');
  expect(status).toMatchObject({
    code: 0,
    said: { check: said['check'], envelopes: ['0: data, control', '1: data, control', '2: data, control'] },
  });
  await trial.backup('sealed');
  const [newest] = await trial.points('sealed');
  expect(await trial.restoredDigests(newest?.id ?? '')).toEqual(trial.digests('sealed', ['os']));
}, 120_000);

test('a disabled vault key fails the backup by name and leaves nothing; enabled again, the next one succeeds', async () => {
  const versions: string[] = [];
  for await (const { version } of vault.listPropertiesOfKeyVersions(tenant, {})) versions.push(version ?? '');
  const enable = async (enabled: boolean): Promise<void> => {
    for (const version of versions) await vault.updateKeyProperties(tenant, version, { enabled });
  };
  const points = (await trial.points('sealed')).length;
  await enable(false);
  const failed = await trial.ended(await trial.startBackup('sealed'));
  expect(failed).toMatchObject({ status: 'failed', error: { code: 'key.disabled' } });
  expect(await trial.leftovers()).toEqual(onlySnapshots(1));
  expect(await trial.points('sealed')).toHaveLength(points);
  await enable(true);
  await trial.backup('sealed');
}, 150_000);

test('the lost vault key is replaced from escrow', async () => {
  const lost = { BLOCKFERRY_KEY_VAULT_KEY: `${trial.stack.cloud.keyVault}/keys/replacement` };
  await vault.createRsaKey('replacement', { keySize: 3072 });
  const program = path.join(findBuild().dist, 'cli', 'main.js');
  const run = (...args: readonly string[]) =>
    new Promise<string>((resolve) => {
      execFile(
        process.execPath,
        [program, 'key', ...args, '--json'],
        { env: { ...process.env, ...trial.stack.settings, ...lost } },
        (_error, stdout, stderr) => resolve(stdout || stderr),
      );
    });
  expect(await run('status')).toContain('key.wrong');
  const recovered = await run('recover', '--escrow-private-key', trial.stack.layout.escrowPrivateKeyFile);
  expect(recovered).toContain('/keys/replacement/');
  expect(recovered).toContain('escrow ');
  expect(await run('status')).toContain('"rewrap":3');
}, 60_000);

test('no file of the run holds the root key, and no log a token', async () => {
  const rootKey = await rootKeyByEscrow();
  const { layout } = trial.stack;
  const files = filesBelow([layout.azurite, layout.host, layout.proxies, layout.logs, layout.restored]);
  expect(files.length).toBeGreaterThan(5);
  const forms = [
    rootKey,
    ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(rootKey.toString(form))),
  ];
  const holding = files.filter((file) => {
    const content = readFileSync(file);
    return forms.some((form) => content.includes(form.subarray(0, 24)));
  });
  expect(holding).toEqual([]);
});

test('wrong usage and refusals are told apart', async () => {
  expect((await keyCommand('dance')).code).toBe(2);
  // A new root key is a new repository: there is no command for it.
  expect((await keyCommand('new-root-key')).code).toBe(2);
  expect(await keyCommand('erase', '--confirm', 'fabrikam', '--eraser-role', 'x')).toMatchObject({
    code: 2,
    said: { code: 'request.invalid' },
  });
}, 30_000);

test('the tenant is ended: every wrap destroyed, the data stay and stay closed', async () => {
  const { accountId } = sampleTenant;
  const erased = await keyCommand('erase', '--confirm', tenant, '--eraser-role', roleArn(accountId, 'eraser'));
  expect(erased).toMatchObject({
    code: 0,
    said: { erased: true, stillOpens: [], versionsDeleted: 8, mustBeDestroyed: expect.any(Array) },
  });
  // The settings name one vault key; the other one and the escrow are for people to destroy.
  expect(erased.said['mustBeDestroyed']).toEqual([
    expect.stringMatching(/^escrow /),
    expect.stringMatching(/^key-vault .*\/keys\/replacement\//),
  ]);
  expect(await keyCommand('status')).toMatchObject({ code: 12, said: { code: 'key.missing' } });
  expect((await keyCommand('create')).said).toMatchObject({ code: 'key.missing' });
  expect((await trial.cloud.objects(sampleTenant.dataBucket, `t/${tenant}/u/`)).length).toBeGreaterThan(0);
  expect(await trial.leftovers()).toEqual(onlySnapshots(1));
}, 60_000);
