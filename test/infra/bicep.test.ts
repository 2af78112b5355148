/** The Azure templates: they parse, fit together, name settings that exist, and hold what the security of the design rests on. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { settingsSchema } from '../../shared/app/config';
import { transferEventQueueName, transferQueueName } from '../../shared/model/transfer';
import { type BicepFile, bicepReader } from './bicep';

const ROOT = path.resolve(__dirname, '..', '..');
const MAIN = 'infra/azure/main.bicep';
const names = globSync('infra/azure/**/*.bicep', { cwd: ROOT }).sort();
const files = new Map<string, BicepFile>();

beforeAll(async () => {
  const read = await bicepReader();
  for (const name of names) files.set(name, read(name));
});

const fileOf = (name: string): BicepFile => {
  const file = files.get(name);
  if (!file) throw new Error(`there is no ${name}`);
  return file;
};
const all = (): BicepFile[] => [...files.values()];

test('every file parses', () => {
  expect(names).toContain(MAIN);
  expect(all().flatMap(({ file, syntaxErrors }) => syntaxErrors.map((error) => `${file} ${error}`))).toEqual([]);
});

test('every module is there, is given what it needs and nothing it does not know', () => {
  const problems = all().flatMap(({ file, modules }) =>
    modules.flatMap((module) => {
      if (!existsSync(path.join(ROOT, module.file))) return [`${file}: ${module.name}: no ${module.file}`];
      const { params } = fileOf(module.file);
      const known = params.map(({ name }) => name);
      const missing = params.filter(({ name, hasDefault }) => !hasDefault && !module.params.includes(name));
      return [
        ...module.params
          .filter((name) => !known.includes(name))
          .map((name) => `${file}: ${module.name}: unknown ${name}`),
        ...missing.map(({ name }) => `${file}: ${module.name}: ${name} is missing`),
      ];
    }),
  );
  expect(problems).toEqual([]);
});

test('every output that is used exists', () => {
  const problems = all().flatMap(({ file, modules, outputUses }) =>
    outputUses.flatMap(({ module, output }) => {
      const target = modules.find(({ name }) => name === module);
      if (!target) return [`${file}: ${module} is no module`];
      return fileOf(target.file).outputs.includes(output) ? [] : [`${file}: ${module} has no output ${output}`];
    }),
  );
  expect(problems).toEqual([]);
});

test('nothing is declared and not used, and every file is reached from main', () => {
  // An output that only a person reads is a use; so is a parameter that main hands on for the record.
  expect(all().flatMap(({ file, unused }) => unused.map((name) => `${file}: ${name}`))).toEqual([]);
  const reached = new Set([MAIN, ...all().flatMap(({ modules }) => modules.map(({ file }) => file))]);
  expect(names.filter((name) => !reached.has(name))).toEqual([]);
});

test('the parameters file gives what main asks for', () => {
  const parameters = json('infra/azure/main.parameters.json') as { readonly parameters: Record<string, unknown> };
  const given = Object.keys(parameters.parameters);
  const known = fileOf(MAIN).params.map(({ name }) => name);
  expect(given.filter((name) => !known.includes(name))).toEqual([]);
  const required = fileOf(MAIN).params.filter(({ hasDefault }) => !hasDefault);
  expect(required.map(({ name }) => name).filter((name) => !given.includes(name))).toEqual([]);
});

/** Read by the Functions host from host.json and the triggers. */
const HOST_SETTINGS = new Set(
  [...read('host.json').matchAll(/%(\w+)%/g), ...triggers().matchAll(/'%(\w+)%'/g)].map((match) => match[1] ?? ''),
);

test('every setting of the product in the templates exists in the product and in the sample', () => {
  const known = new Set([...Object.keys(settingsSchema.shape), ...HOST_SETTINGS]);
  const sample = json('local.settings.sample.json') as { readonly Values: Record<string, string> };
  const used = settingsInTemplates();
  expect(used.length).toBeGreaterThan(15);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
  // What only the cloud has: the sample runs on connection strings and a key file, on one machine.
  const cloudOnly = [
    'BLOCKFERRY_QUEUE_ENDPOINT',
    'BLOCKFERRY_TABLE_ENDPOINT',
    'BLOCKFERRY_ARM_AUDIENCE',
    'BLOCKFERRY_KEY_VAULT_KEY',
    'BLOCKFERRY_ROOT_KEY_CHECK',
    'BLOCKFERRY_SCALE_SETS',
    'BLOCKFERRY_REGION',
    'BLOCKFERRY_CALLER_SCOPES',
    'BLOCKFERRY_LOCK_DAYS',
  ];
  expect(used.filter((name) => sample.Values[name] === undefined && !cloudOnly.includes(name))).toEqual([]);
});

test('every setting without which the product does not start is in the templates', () => {
  const used = new Set(settingsInTemplates());
  const required = Object.entries(settingsSchema.shape)
    .filter(([, schema]) => !schema.safeParse(undefined).success)
    .map(([name]) => name);
  expect(required.filter((name) => !used.has(name))).toEqual([]);
});

test('the queues are the ones that the product uses', () => {
  const { text } = fileOf('infra/azure/modules/storage.bicep');
  const queue = transferQueueName('REGION').replace('REGION', '$' + '{region}');
  expect(text).toContain(`'${queue}'`);
  expect(text).toContain(`'${queue}-poison'`);
  expect(text).toContain(`'${transferEventQueueName}'`);
});

test.each([
  ['infra/azure/modules/storage.bicep', /allowSharedKeyAccess: true|allowBlobPublicAccess: true/],
  ['infra/azure/modules/key-vault.bicep', /enablePurgeProtection: false|enableRbacAuthorization: false/],
])('%s keeps its locks', (name, forbidden) => {
  expect(fileOf(name).text).not.toMatch(forbidden);
});

test('storage has no shared keys, the vault keeps deleted keys, telemetry takes identities only', () => {
  const storage = fileOf('infra/azure/modules/storage.bicep').text;
  const accounts = fileOf('infra/azure/modules/storage.bicep').resourceTypes.filter((type) =>
    /storageAccounts@/.test(type),
  );
  expect(storage.match(/allowSharedKeyAccess: false/g)).toHaveLength(accounts.length);
  expect(fileOf('infra/azure/modules/key-vault.bicep').text).toMatch(/enablePurgeProtection: true/);
  expect(fileOf('infra/azure/modules/monitoring.bicep').text).toMatch(/DisableLocalAuth: true/);
});

test('no template asks for a key or makes a secret', () => {
  for (const { file, text } of all()) {
    expect({ file, found: text.match(/listKeys\(|listAccountSas|AccountKey=|@secure\(\)|adminPassword/g) }).toEqual({
      file,
      found: null,
    });
  }
});

test('every resource names a dated API version', () => {
  const types = all().flatMap(({ resourceTypes }) => resourceTypes);
  expect(
    types.filter((type) => type.includes('/') && !/^Microsoft\.[\w/]+@\d{4}-\d\d-\d\d(-preview)?$/.test(type)),
  ).toEqual([]);
});

test("custom roles hold single actions, and none may touch roles, keys or other people's VMs", () => {
  const permissions = json('infra/azure/permissions.json') as Record<
    string,
    { actions: string[]; dataActions: string[] }
  >;
  const granted = Object.values(permissions).flatMap(({ actions, dataActions }) => [...actions, ...dataActions]);
  expect(granted.filter((action) => action.includes('*'))).toEqual([]);
  expect(
    granted.filter((action) =>
      /Authorization\/|KeyVault|virtualMachines\/(delete|runCommand|extensions)/i.test(action),
    ),
  ).toEqual([]);
  expect(permissions['observer']?.actions.filter((action) => /write|delete/.test(action))).toEqual([]);
  const used =
    fileOf('infra/azure/modules/protected-subscription.bicep').text +
    fileOf('infra/azure/modules/scale-set.bicep').text;
  const unusedRoles = Object.keys(permissions).filter((role) => !new RegExp(`[).]${role}\\.actions`).test(used));
  expect(unusedRoles).toEqual([]);
});

test('cloud-init is YAML with every placeholder that the scale set fills in', () => {
  const text = read('infra/azure/cloud-init.yaml');
  expect(text.startsWith('#cloud-config\n')).toBe(true);
  const document = parse(text) as { readonly write_files: readonly { readonly path: string }[] };
  expect(document.write_files.map((file) => file.path)).toEqual([
    '/etc/blockferry/data-proxy.env',
    '/usr/local/sbin/blockferry-install',
  ]);
  const filled = fileOf('infra/azure/modules/scale-set.bicep').text;
  for (const [placeholder] of text.matchAll(/@[A-Z0-9_]+@/g)) expect(filled).toContain(placeholder);
});

test('azure.yaml deploys what npm run package makes', () => {
  const azd = parse(read('azure.yaml')) as {
    readonly infra: { readonly path: string };
    readonly services: Record<string, { readonly dist: string; readonly host: string }>;
    readonly hooks: { readonly postdeploy: { readonly run: string } };
  };
  expect(existsSync(path.join(ROOT, azd.infra.path, 'main.bicep'))).toBe(true);
  expect(azd.services['control']).toMatchObject({ dist: 'dist/package/function-app', host: 'function' });
  expect(fileOf(MAIN).text).toContain("'azd-service-name': 'control'");
  expect(existsSync(path.join(ROOT, azd.hooks.postdeploy.run))).toBe(true);
});

const settingsInTemplates = (): string[] => [
  ...new Set(all().flatMap(({ keys }) => keys.filter((key) => /^(BLOCKFERRY|AWS)_[A-Z_]+[A-Z]$/.test(key)))),
];

function read(name: string): string {
  return readFileSync(path.join(ROOT, name), 'utf8');
}

function triggers(): string {
  return globSync('functions/*.ts', { cwd: ROOT }).map(read).join('\n');
}

function json(name: string): unknown {
  return JSON.parse(read(name));
}
