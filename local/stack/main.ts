/**
 * `npm start`: the whole embedded stack with the sample VMs, until Ctrl-C.
 * `npm run cloud`: Azurite and the cloud simulator alone on fixed ports, for a host of your own (`func start`).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { chooseFileSystem } from '../images/file-systems';
import { sampleMachines } from '../images/sample-machines';
import { tokenOf } from './callers';
import { findBuild, fromCaller, stateLayout } from './layout';
import { samplePorts } from './ports';
import { ensureSampleVms } from './sample-vms';
import { type Stack, type StackOptions, startStack } from './stack';
import { aborted, listenForStop, type StopWish } from './until-stopped';

const USAGE = 'usage: npm start -- [--state FOLDER]   or   npm run cloud -- [--state FOLDER]\n';
/** Of the simulator in `npm run cloud`; as public as the sample settings that name it. */
const SAMPLE_IDENTITY_HEADER = 'blockferry-sample-identity-header';

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function main(): Promise<number> {
  const command = process.argv[2];
  const given = parseCommandLine(process.argv.slice(3));
  if ((command !== 'start' && command !== 'cloud') || given === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const wish = listenForStop();
  const fallback = path.join(findBuild().root, '.blockferry', command);
  const layout = stateLayout(given.state === undefined ? fallback : fromCaller(given.state));
  say(`state: ${layout.state}`);
  const vms = await ensureSampleVms(chooseFileSystem(), layout.disks, sampleMachines());
  if (wish.signal.aborted) return endOf(wish, []);
  const options: StackOptions = {
    state: layout.state,
    vms,
    signal: wish.signal,
    onEvent: (event) => say(`${event.name} ${event.kind} (${event.detail})`),
  };
  if (command === 'cloud') fixIdentityHeader(layout.cloud);
  const stack = await startStack(
    command === 'start' ? options : { ...options, host: false, ports: samplePorts, fleet: 'functions' },
  ).catch((error: unknown) => {
    if (wish.signal.aborted) return undefined;
    throw error;
  });
  if (stack === undefined) return endOf(wish, []);
  say(command === 'start' ? describeStart(stack, await tokenOf('viewer', stack.cloud.identity)) : describeCloud(stack));
  await aborted(wish.signal);
  say('stopping');
  return endOf(wish, await stack.stop());
}

function endOf(wish: StopWish, leftovers: readonly string[]): number {
  for (const leftover of leftovers) process.stderr.write(`${leftover}\n`);
  if (leftovers.length > 0) return 1;
  // Ctrl-C is how this is meant to end.
  return wish.exitCode() === 130 ? 0 : wish.exitCode();
}

function parseCommandLine(args: readonly string[]): { readonly state?: string | undefined } | undefined {
  try {
    return parseArgs({ args: [...args], options: { state: { type: 'string' } } }).values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

/** The simulator makes a random one when this file is missing; sample settings need one that is known beforehand. */
function fixIdentityHeader(cloud: string): void {
  const folder = path.join(cloud, 'identity');
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'identity-header'), SAMPLE_IDENTITY_HEADER, { mode: 0o600 });
}

function describeStart(stack: Stack, token: string): string {
  const { url = '', functionKey = '', masterKey = '' } = stack.api ?? {};
  return [
    '',
    `simulator    ${stack.cloud.control}      (control API; logs in ${stack.layout.logs})`,
    `admin key    ${masterKey}      (for ${url}/admin)`,
    '',
    'API, ready to be pasted into another terminal:',
    `URL=${url}/api`,
    `KEY='x-functions-key: ${functionKey}'`,
    'curl -H "$KEY" $URL/vms',
    '',
    'To call as one person with one role, add a token of the simulated tenant (8 hours), here the viewer’s:',
    `TOKEN='authorization: Bearer ${token}'`,
    'curl -H "$KEY" -H "$TOKEN" $URL/vms',
    '',
    'Ctrl-C stops everything.',
  ].join('\n');
}

function describeCloud(stack: Stack): string {
  return [
    '',
    'Azurite and the cloud simulator are up. Settings of the product for them:',
    ...Object.entries(stack.settings).map(([name, value]) => `  ${name}=${value}`),
    '',
    'The same are in local.settings.sample.json, for a function app on this machine. In another terminal:',
    '  cp local.settings.sample.json local.settings.json',
    '  func start',
    '',
    `simulator    ${stack.cloud.control}      (control API; logs in ${stack.layout.logs})`,
    'Ctrl-C stops both.',
  ].join('\n');
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
