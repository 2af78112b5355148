/** `npm run demo`. What it does is in scenario.ts; here are options, set-up, the end, and the exit code. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chooseFileSystem } from '../images/file-systems';
import { inspectUserDisk, type UserDisk, UserDiskError } from '../images/user-disk';
import { fromCaller, stateLayout } from '../stack/layout';
import { type Stack, startStack } from '../stack/stack';
import { aborted, listenForStop, type StopWish } from '../stack/until-stopped';
import { ApiClient } from './api-client';
import { Chaos } from './chaos';
import { CloudClient } from './cloud-client';
import { makeSampleMachines, makeUserMachine } from './machines';
import { type DemoOptions, parseDemoOptions, USAGE } from './options';
import { createHumanReporter, createJsonReporter, type Reporter } from './reporter';
import { runScenario } from './scenario';
import { describeResult, findProblems, summarize } from './summary';

const EXIT_WRONG = 1;
const EXIT_USAGE = 2;
/** So slow that a part can be killed in the middle, so fast that it is still a demo. */
const DRILL_READ_DELAY_MS = 120;

async function main(): Promise<number> {
  const wish = listenForStop();
  let options: DemoOptions;
  try {
    options = parseDemoOptions(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const userDisks: UserDisk[] = [];
  for (const file of options.disks) userDisks.push(await inspectUserDisk(fromCaller(file)));
  const write = (text: string): void => void process.stdout.write(text);
  const reporter = options.json
    ? createJsonReporter(write)
    : createHumanReporter(write, () => (process.stdout.isTTY ? process.stdout.columns : undefined));
  const state =
    options.state !== undefined ? fromCaller(options.state) : mkdtempSync(path.join(tmpdir(), 'blockferry-demo-'));
  const code = await runDemo({ options, userDisks, reporter, state, wish });
  // After a failure the logs are what one needs.
  if (options.state === undefined && code !== EXIT_WRONG) rmSync(state, { recursive: true, force: true });
  else process.stderr.write(`state and logs: ${state}\n`);
  return code;
}

interface Demo {
  readonly options: DemoOptions;
  readonly userDisks: readonly UserDisk[];
  readonly reporter: Reporter;
  readonly state: string;
  readonly wish: StopWish;
}

async function runDemo({ options, userDisks, reporter, state, wish }: Demo): Promise<number> {
  const startedAt = Date.now();
  let stack: Stack | undefined;
  let code = EXIT_WRONG;
  try {
    const fileSystem = chooseFileSystem();
    reporter.step('Making the disks and starting the embedded stack');
    const folder = stateLayout(state).disks;
    const machines =
      userDisks.length > 0
        ? [await makeUserMachine(fileSystem, folder, userDisks)]
        : await makeSampleMachines(fileSystem, folder);
    const disks = machines.flatMap((machine) => machine.disks);
    reporter.note(`${machines.length} VMs with ${disks.length} disks, partition tables and ${fileSystem.name} on them`);
    stack = await startStack({
      state,
      vms: machines.map((machine) => machine.seed),
      onEvent: (event) => reporter.note(`${event.name} ${event.kind} after ${event.detail}`),
    });
    const { url = '', functionKey = '', masterKey = '' } = stack.api ?? {};
    reporter.note(`API at ${url}/api, simulated clouds behind ${stack.cloud.control}`);
    const api = new ApiClient(url, functionKey, masterKey);
    const cloud = new CloudClient(stack.cloud);
    const chaos = new Chaos(stack, options.kill, reporter);
    if (options.kill.length > 0) await cloud.delayDiskReads(DRILL_READ_DELAY_MS);
    const work = runScenario({
      stack,
      fileSystem,
      machines,
      api,
      cloud,
      chaos,
      reporter,
      startedAt,
      signal: wish.signal,
    });
    const result = await Promise.race([work, aborted(wish.signal).then(() => undefined)]);
    // A wish to stop ends the work too, which then has nobody to tell.
    work.catch(() => undefined);
    if (result !== undefined) {
      reporter.summary(summarize(result), describeResult(result));
      code = findProblems(result).length === 0 ? 0 : EXIT_WRONG;
      if (options.keep) {
        reporter.note(`the stack stays up (key ${functionKey}); Ctrl-C stops it`);
        await aborted(wish.signal);
      }
    }
  } catch (error) {
    process.stderr.write(`\n${messageOf(error)}\n`);
  } finally {
    const leftovers = (await stack?.stop()) ?? [];
    for (const leftover of leftovers) process.stderr.write(`${leftover}\n`);
    if (leftovers.length > 0) code = EXIT_WRONG;
  }
  const stopped = wish.signal.aborted && !options.keep;
  return stopped ? wish.exitCode() : code;
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof UserDiskError ? error.message : String(error)}\n`);
    process.exit(error instanceof UserDiskError ? EXIT_USAGE : EXIT_WRONG);
  },
);
