/**
 * Runs the acceptance file: against the function app that ACCEPTANCE_URL (without `/api`) names, as the caller that
 * ACCEPTANCE_KEY (a function key) or ACCEPTANCE_SCOPE (`api://CLIENT-ID/.default`, a token by DefaultAzureCredential) makes; or else
 * against an embedded stack made for it, from the build that the test command has just made.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DefaultAzureCredential } from '@azure/identity';
import { sampleTenant } from '../../local/stack/settings';
import { type Stack, startStack } from '../../local/stack/stack';
import { backboneAcceptance } from './backbone';
import type { Target } from './http-client';

const MIB = 1024 * 1024;
const { ACCEPTANCE_URL: url, ACCEPTANCE_KEY: key, ACCEPTANCE_SCOPE: scope } = process.env;
const { ACCEPTANCE_JOB_MINUTES: minutes } = process.env;

let stack: Stack | undefined;
let state: string | undefined;

/** One VM of two small disks, a part of each never written. */
async function openStack(): Promise<Target> {
  state = mkdtempSync(path.join(tmpdir(), 'blockferry-acceptance-'));
  const disks = path.join(state, 'disks');
  mkdirSync(disks);
  const disk = (name: string, sizeMib: number) => {
    const file = path.join(disks, `${name}.img`);
    const bytes = Buffer.alloc(sizeMib * MIB);
    randomBytes((sizeMib / 2) * MIB).copy(bytes, MIB);
    writeFileSync(file, bytes);
    return { name, file };
  };
  stack = await startStack({
    state,
    vms: [
      {
        subscription: sampleTenant.subscription,
        resourceGroup: 'acceptance',
        name: 'small',
        location: sampleTenant.regions[0],
        osDisk: disk('small-os', 96),
        dataDisks: [{ lun: 0, ...disk('small-data', 32) }],
      },
    ],
  });
  if (!stack.api) throw new Error('the embedded stack has no host');
  return { baseUrl: stack.api.url, credentials: withKey(stack.api.functionKey) };
}

const withKey = (functionKey: string) => async () => ({ 'x-functions-key': functionKey });

function withTokens(wanted: string): Target['credentials'] {
  const credential = new DefaultAzureCredential(); // keeps a token until shortly before its end
  return async () => ({ authorization: `Bearer ${(await credential.getToken(wanted)).token}` });
}

const deployed = (baseUrl: string): Target => ({
  baseUrl,
  credentials: scope === undefined ? withKey(key ?? '') : withTokens(scope),
});

backboneAcceptance(async () => (url === undefined ? openStack() : deployed(url)), {
  jobMsMax: Number(minutes ?? (url === undefined ? 2 : 60)) * 60_000,
});

// Behind the acceptance file, whose own clean-up still needs the stack.
afterAll(async () => {
  const leftovers = await stack?.stop();
  if (state) rmSync(state, { recursive: true, force: true });
  expect(leftovers ?? []).toEqual([]);
}, 60_000);
