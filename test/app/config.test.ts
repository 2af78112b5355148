import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSettings, settingsSchema } from '../../shared/app/config';

const sample = JSON.parse(readFileSync(join(__dirname, '..', '..', 'local.settings.sample.json'), 'utf8')) as {
  Values: Record<string, string>;
};

test('the sample settings are accepted as they are', () => {
  expect(() => loadSettings(sample.Values)).not.toThrow();
});

test('every product setting in the sample exists, and every required one is in the sample', () => {
  const known = Object.keys(settingsSchema.shape);
  // Read by the Functions host itself, from host.json and the triggers.
  const hostSettings = [
    'BLOCKFERRY_TASK_HUB',
    'BLOCKFERRY_SCHEDULE',
    'BLOCKFERRY_JANITOR_SCHEDULE',
    'BLOCKFERRY_KEEPER_SCHEDULE',
    'BLOCKFERRY_RETENTION_SCHEDULE',
  ];
  const ours = Object.keys(sample.Values).filter((name) => name.startsWith('BLOCKFERRY_'));
  expect(ours.filter((name) => !known.includes(name) && !hostSettings.includes(name))).toEqual([]);
  expect(hostSettings.filter((name) => !ours.includes(name))).toEqual([]);
});

test('all wrong settings are named at once', () => {
  const wrong = {
    ...sample.Values,
    BLOCKFERRY_TENANT: 'No Tenant',
    BLOCKFERRY_WINDOW_BYTES: '100',
    BLOCKFERRY_WRITER_ROLE_ARN: 'x',
  };
  expect(() => loadSettings(wrong)).toThrow(/BLOCKFERRY_TENANT.*BLOCKFERRY_WRITER_ROLE_ARN.*BLOCKFERRY_WINDOW_BYTES/);
});

test('a scale-set fleet without a scale set for a region is refused', () => {
  expect(() => loadSettings({ ...sample.Values, BLOCKFERRY_FLEET: 'scale-set' })).toThrow('BLOCKFERRY_SCALE_SETS');
});

test('an app that is the data proxy of a region must be told which', () => {
  const asProxy = { ...sample.Values, BLOCKFERRY_SERVES: 'data-proxy' };
  expect(() => loadSettings(asProxy)).toThrow('BLOCKFERRY_REGION');
  expect(() => loadSettings({ ...asProxy, BLOCKFERRY_REGION: 'westeurope' })).not.toThrow();
  expect(() => loadSettings({ ...asProxy, BLOCKFERRY_FLEET: 'process' })).toThrow('BLOCKFERRY_SERVES');
});

test('storage needs a connection or both endpoints', () => {
  const { BLOCKFERRY_STORAGE_CONNECTION: _connection, ...rest } = sample.Values;
  expect(() => loadSettings(rest)).toThrow('BLOCKFERRY_STORAGE_CONNECTION');
  expect(() =>
    loadSettings({
      ...rest,
      BLOCKFERRY_QUEUE_ENDPOINT: 'https://q.example',
      BLOCKFERRY_TABLE_ENDPOINT: 'https://t.example',
    }),
  ).not.toThrow();
});

test('the root key needs a wrapping key: a file, a vault key, or both', () => {
  const { BLOCKFERRY_KEY_FILE: file, ...rest } = sample.Values;
  const vault = { BLOCKFERRY_KEY_VAULT_KEY: 'https://contoso-backup.vault.azure.net/keys/contoso' };
  expect(() => loadSettings(rest)).toThrow('BLOCKFERRY_KEY_FILE: give it, or BLOCKFERRY_KEY_VAULT_KEY');
  expect(() => loadSettings({ ...rest, ...vault })).not.toThrow();
  expect(() => loadSettings({ ...rest, ...vault, BLOCKFERRY_KEY_FILE: file })).not.toThrow();
  expect(() => loadSettings({ ...rest, BLOCKFERRY_KEY_VAULT_KEY: 'https://x/secrets/y' })).toThrow(
    'BLOCKFERRY_KEY_VAULT_KEY',
  );
  expect(() => loadSettings({ ...sample.Values, BLOCKFERRY_ROOT_KEY_CHECK: 'abc' })).toThrow('64 hex digits');
});
