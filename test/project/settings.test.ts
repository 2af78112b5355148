/** The settings that come with the project are accepted by the product, and are the same ones everywhere. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { stateLayout } from '../../local/stack/layout';
import { samplePorts } from '../../local/stack/ports';
import { productSettings } from '../../local/stack/settings';
import { loadSettings } from '../../shared/app/config';

const ROOT = path.resolve(__dirname, '..', '..');
const sample = JSON.parse(readFileSync(path.join(ROOT, 'local.settings.sample.json'), 'utf8')) as {
  readonly Values: Readonly<Record<string, string>>;
};

const layout = stateLayout('.blockferry/cloud');

/** What the simulator says when `npm run cloud` has started it. */
const embedded = productSettings(layout, samplePorts, {
  arm: `https://localhost:${samplePorts.arm}`,
  disk: `http://127.0.0.1:${samplePorts.disk}`,
  identity: `http://127.0.0.1:${samplePorts.identity}/msi/token`,
  identityHeader: 'blockferry-sample-identity-header',
  keyVault: `https://localhost:${samplePorts.keyvault}`,
  aws: `http://127.0.0.1:${samplePorts.aws}`,
  control: `http://127.0.0.1:${samplePorts.control}`,
  caFile: '.blockferry/cloud/cloud/ca.pem',
});

test('the sample settings are accepted', () => {
  expect(loadSettings(sample.Values).BLOCKFERRY_FLEET).toBe('functions');
});

test('the settings of the embedded stack are accepted', () => {
  expect(loadSettings(embedded).BLOCKFERRY_FLEET).toBe('process');
});

test('the sample names the same settings with the same values as the embedded stack on these ports', () => {
  const differing = Object.keys({ ...sample.Values, ...embedded }).filter(
    (name) => sample.Values[name] !== embedded[name],
  );
  // Core Tools is itself the data proxy, polls at a human pace, and knows Azurite by its nickname.
  expect(differing.sort()).toEqual([
    'AzureWebJobsStorage',
    'BLOCKFERRY_FLEET',
    'BLOCKFERRY_POLL_MS',
    'BLOCKFERRY_STORAGE_CONNECTION',
  ]);
});

test('every setting that a trigger names is among them', () => {
  const hostJson = readFileSync(path.join(ROOT, 'host.json'), 'utf8');
  const scheduler = readFileSync(path.join(ROOT, 'functions', 'scheduler.ts'), 'utf8');
  const named = [...`${hostJson}${scheduler}`.matchAll(/%([A-Z_]+)%/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => sample.Values[name] === undefined)).toEqual([]);
});
