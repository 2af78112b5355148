/** The shape of the house, held by a machine. The table is the architecture: change it with a decision record. */
import { folderOf, importsOf, sourceFiles, targetOf } from './imports';

interface Rule {
  /** Folders besides itself. */
  readonly folders: readonly string[];
  readonly packages: readonly RegExp[];
}

const node = /^node:/;
const builtIn = (...names: string[]): RegExp => new RegExp(`^node:(${names.join('|')})$`);

const rules: Readonly<Record<string, Rule>> = {
  'shared/base': { folders: [], packages: [node] },
  'shared/model': { folders: ['shared/base'], packages: [/^zod$/, builtIn('crypto')] },
  'shared/format': {
    folders: ['shared/model', 'shared/base'],
    packages: [builtIn('crypto', 'zlib'), /^@napi-rs\/blake-hash$/, /^zod$/],
  },
  'shared/policy': { folders: ['shared/model', 'shared/base'], packages: [/^croner$/] },
  'shared/blockstore': {
    folders: ['shared/format', 'shared/model', 'shared/base'],
    packages: [builtIn('crypto', 'worker_threads', 'path', 'os'), /^zod$/],
  },
  // The collector: beside the data plane, not part of it. It deletes, and nothing else does.
  'shared/collector': {
    folders: ['shared/blockstore', 'shared/format', 'shared/model', 'shared/base'],
    packages: [builtIn('crypto')],
  },
  'shared/catalog': { folders: ['shared/model', 'shared/base'], packages: [/^zod$/, builtIn('crypto')] },
  'shared/dataproxy': {
    folders: ['shared/blockstore', 'shared/format', 'shared/model', 'shared/base'],
    packages: [builtIn('crypto', 'worker_threads', 'path', 'os', 'fs', 'fs/promises')],
  },
  'shared/device': {
    folders: ['shared/blockstore', 'shared/format', 'shared/model', 'shared/base'],
    packages: [/^zod$/, builtIn('crypto', 'net', 'path', 'fs/promises')],
  },
  'shared/files': {
    folders: ['shared/device', 'shared/model', 'shared/base'],
    packages: [builtIn('crypto', 'zlib')],
  },
  'shared/workflows': {
    folders: [
      'shared/catalog',
      'shared/collector',
      'shared/policy',
      'shared/blockstore',
      'shared/format',
      'shared/model',
      'shared/base',
    ],
    packages: [],
  },
  // What operators look at, from facts that others gather. Pure.
  'shared/observe': { folders: ['shared/model', 'shared/base'], packages: [] },
  'shared/api': {
    folders: [
      'shared/observe',
      'shared/workflows',
      'shared/device',
      'shared/files',
      'shared/catalog',
      'shared/policy',
      'shared/model',
      'shared/base',
    ],
    packages: [/^@azure\/functions$/, /^zod$/, builtIn('crypto', 'stream')],
  },
  // Who may do what in AWS, as data: for the templates, the embedded account, and what checks both.
  'shared/rights': { folders: [], packages: [] },
  'shared/azure': {
    folders: [
      'shared/blockstore',
      'shared/dataproxy',
      'shared/workflows',
      'shared/catalog',
      'shared/model',
      'shared/base',
    ],
    packages: [/^@azure\//, /^undici$/, /^jose$/, /^zod$/, node],
  },
  'shared/aws': {
    folders: ['shared/blockstore', 'shared/model', 'shared/base'],
    packages: [/^@aws-sdk\//, /^@smithy\//, node],
  },
  'shared/app': {
    folders: [
      'shared/api',
      'shared/aws',
      'shared/azure',
      'shared/base',
      'shared/blockstore',
      'shared/catalog',
      'shared/collector',
      'shared/dataproxy',
      'shared/device',
      'shared/files',
      'shared/format',
      'shared/model',
      'shared/policy',
      'shared/workflows',
    ],
    packages: [node, /^zod$/],
  },
  functions: {
    folders: ['shared/app', 'shared/workflows', 'shared/api', 'shared/model'],
    packages: [/^@azure\/functions$/, /^durable-functions$/],
  },
  // An edge like functions: it may use what the product offers, and nothing may use it.
  cli: {
    folders: [
      'shared/api',
      'shared/app',
      'shared/base',
      'shared/blockstore',
      'shared/catalog',
      'shared/dataproxy',
      'shared/device',
      'shared/files',
      'shared/format',
      'shared/model',
      'shared/policy',
      'shared/workflows',
    ],
    packages: [node, /^zod$/, /^commander$/, /^yaml$/, /^@azure\/identity$/],
  },
  // A simulator that shared code with what it tests would prove nothing. What an account is set up with is no such code.
  local: { folders: ['shared/model', 'shared/base', 'shared/rights'], packages: [/./] },
  // Makes and checks what is deployed; it looks at the product from outside.
  infra: { folders: ['shared/rights'], packages: [/./] },
  // Drives all of the product in one thread (decision 0007); nothing imports it, and it has its own clouds.
  sim: {
    folders: [
      'shared/app',
      'shared/aws',
      'shared/azure',
      'shared/base',
      'shared/blockstore',
      'shared/catalog',
      'shared/dataproxy',
      'shared/format',
      'shared/model',
      'shared/policy',
      'shared/workflows',
    ],
    packages: [node, /^@aws-sdk\//, /^durable-functions$/],
  },
};

/** Ports are interfaces: an adapter may know the one it implements, and nothing else of that folder. */
const portFiles: Readonly<Record<string, readonly string[]>> = {
  'shared/azure': [
    'shared/blockstore/key-wrapper',
    'shared/dataproxy/ports',
    'shared/workflows/ports',
    'shared/catalog/record-store',
  ],
  'shared/aws': ['shared/blockstore/object-store'],
};

const durableFile = /(\.orchestrator|\.entity|\/durable)\.ts$/;
const files = sourceFiles(['functions', 'cli', 'shared', 'local', 'infra', 'sim']);
const product = files.filter((file) => !/^(local|infra|sim)\//.test(file.path));
const orchestrators = files.filter((file) => file.path.endsWith('.orchestrator.ts'));

test.each(files.map((file) => [file.path, file] as const))('%s imports only what its folder may', (_path, file) => {
  const folder = folderOf(file.path);
  const rule = rules[folder];
  expect(rule).toBeDefined();
  const forbidden = importsOf(file).filter((name) => {
    if (!name.startsWith('.')) {
      if (folder === 'shared/workflows' && name === 'durable-functions') return !durableFile.test(file.path);
      return !rule?.packages.some((pattern) => pattern.test(name));
    }
    const target = targetOf(file, name);
    const to = folderOf(target);
    if (to === folder) return false;
    const ports = portFiles[folder];
    if (ports && !['shared/model', 'shared/base'].includes(to)) return !ports.includes(target);
    return !rule?.folders.includes(to);
  });
  expect(forbidden).toEqual([]);
});

test.each(orchestrators.map((file) => [file.path, file] as const))(
  '%s is deterministic by construction',
  (_path, file) => {
    expect(importsOf(file).filter((name) => !name.startsWith('.') && name !== 'durable-functions')).toEqual([]);
    expect(file.text).not.toMatch(
      /Date\.now\(|new Date\(\)|Math\.random\(|randomUUID|process\.env|\bawait\b|setTimeout|\basync\b/,
    );
  },
);

test.each(files.filter((file) => /^functions\/[^/]+\.ts$/.test(file.path)).map((file) => [file.path, file] as const))(
  '%s says on which plane its functions are',
  (_path, file) => {
    expect(importsOf(file)).toContain('./registration/plane');
  },
);

test('there are orchestrators to check', () => {
  expect(orchestrators.length).toBeGreaterThanOrEqual(4);
});

test.each(product.map((file) => [file.path, file] as const))('%s keeps the house rules', (path, file) => {
  expect(file.text).not.toMatch(/export default|FIXME|TODO|XXX/);
  if (path !== 'shared/app/config.ts') expect(file.text).not.toContain('process.env');
  expect(file.text.split('\n').length).toBeLessThanOrEqual(300);
  expect(path).toMatch(/^[a-z0-9./-]+$/);
});

test('no folder is called utils, common, helpers, types or services', () => {
  expect(
    files.filter((file) => /\/(utils|common|helpers|types|services)\//.test(file.path)).map((file) => file.path),
  ).toEqual([]);
});

test('every file is reached from somewhere', () => {
  const reached = new Set(
    files.flatMap((file) =>
      importsOf(file)
        .filter((name) => name.startsWith('.'))
        .map((name) => targetOf(file, name)),
    ),
  );
  // Started as processes or threads of their own.
  const entries = /^functions\/[^/]+\.ts$|main\.ts$|-thread\.ts$|worker-process\.ts$|-runner\.ts$/;
  const orphans = files
    .map((file) => file.path)
    .filter((path) => !entries.test(path) && !reached.has(path.replace(/\.ts$/, '')));
  expect(orphans).toEqual([]);
});
