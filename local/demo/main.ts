/** `npm run demo`. What it does is in scenario.ts; here are options, set-up, the end, and the exit code. */
import { rmSync } from 'node:fs';
import type { SampleFileSystem } from '../images/file-system';
import { chooseFileSystem } from '../images/file-systems';
import { inspectUserDisk, type UserDisk, UserDiskError } from '../images/user-disk';
import { fromCaller, stateLayout } from '../stack/layout';
import { type Stack, startStack } from '../stack/stack';
import { aborted, listenForStop, type StopWish } from '../stack/until-stopped';
import { ApiClient } from './api-client';
import { Chaos } from './chaos';
import { CloudClient } from './cloud-client';
import { formatBytes, formatCount } from './format';
import { type DemoMachine, makeSampleMachines, makeUserMachine } from './machines';
import { type DemoOptions, parseDemoOptions, USAGE } from './options';
import { createHumanReporter, createJsonReporter, type Reporter } from './reporter';
import { runScenario } from './scenario';
import { StateFolderError, takeStateFolder } from './state-folder';
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
  const state = takeStateFolder(options.state);
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
  let kept = false;
  try {
    const fileSystem = chooseFileSystem();
    reporter.step('Making the disks and starting the embedded stack');
    const machines = await makeMachines(fileSystem, { userDisks, reporter, state, wish });
    stack = await startStack({
      state,
      signal: wish.signal,
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
        kept = true;
        reporter.note(`the stack stays up (key ${functionKey}); Ctrl-C stops it`);
        await aborted(wish.signal);
      }
    }
  } catch (error) {
    // A wish to stop ends whatever is under way by an error, which is no news.
    if (!wish.signal.aborted) {
      reporter.failure(messageOf(error));
      process.stderr.write(`\n${messageOf(error)}\n`);
    }
  } finally {
    const leftovers = (await stack?.stop()) ?? [];
    for (const leftover of leftovers) process.stderr.write(`${leftover}\n`);
    if (leftovers.length > 0) code = EXIT_WRONG;
  }
  // Ctrl-C is how --keep is meant to end.
  return wish.signal.aborted && !kept ? wish.exitCode() : code;
}

async function makeMachines(
  fileSystem: SampleFileSystem,
  { userDisks, reporter, state, wish }: Omit<Demo, 'options'>,
): Promise<readonly DemoMachine[]> {
  const folder = stateLayout(state).disks;
  if (userDisks.length === 0) {
    const machines = await makeSampleMachines(fileSystem, folder, wish.signal);
    const disks = machines.flatMap((machine) => machine.disks);
    reporter.note(`${machines.length} VMs with ${disks.length} disks, partition tables and ${fileSystem.name} on them`);
    return machines;
  }
  const bytes = userDisks.reduce((sum, disk) => sum + disk.diskBytes, 0);
  reporter.note(`copying ${formatCount(userDisks.length, 'file')} (${formatBytes(bytes)}): yours are only read`);
  const machine = await makeUserMachine(fileSystem, folder, userDisks, wish.signal);
  const dataDisks = formatCount(userDisks.length, 'data disk');
  reporter.note(
    `1 VM with a small ${fileSystem.name} system disk and ${dataDisks}, the ${userDisks.length > 1 ? 'copies' : 'copy'}`,
  );
  return [machine];
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n`);
    const fromUser = error instanceof UserDiskError || error instanceof StateFolderError;
    process.exit(fromUser ? EXIT_USAGE : EXIT_WRONG);
  },
);
