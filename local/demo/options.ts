/** Command line of the demo. Pure. */
import { parseArgs } from 'node:util';

export const killable = ['host', 'proxy', 'cloud'] as const;
export type Killable = (typeof killable)[number];

export interface DemoOptions {
  /** Image files of the user, in place of the sample VMs' data disks. */
  readonly disks: readonly string[];
  /** Leave the stack up afterwards. */
  readonly keep: boolean;
  /** JSON lines on stdout and nothing else. */
  readonly json: boolean;
  /** What is killed with SIGKILL while it works. */
  readonly kill: readonly Killable[];
  /** Kept when given; else a temporary folder that is removed. */
  readonly state: string | undefined;
  readonly help: boolean;
}

export const USAGE = `usage: npm run demo -- [options]

  --disk FILE   back up this disk image (raw, or fixed VHD) instead of the sample VMs' disks; may be repeated
  --keep        leave the stack up afterwards, until Ctrl-C
  --json        JSON lines and a final summary object on stdout (use npm run -s demo -- --json)
  --kill WHAT   kill -9 host, proxy, cloud or all of them while they work; the result must be the same
  --state DIR   keep the state in this folder
  --help        this text

Exit codes: 0 all restored bytes are right and nothing is left over; 1 something is wrong; 2 wrong arguments or files.
`;

/** Throws with a sentence for the user. */
export function parseDemoOptions(args: readonly string[]): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      disk: { type: 'string', multiple: true },
      keep: { type: 'boolean' },
      json: { type: 'boolean' },
      kill: { type: 'string' },
      state: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const disks = values.disk ?? [];
  if (disks.length > 64) throw new Error('a VM has at most 64 data disks');
  const twice = disks.find((disk, index) => disks.indexOf(disk) !== index);
  if (twice !== undefined) throw new Error(`--disk ${twice} is given twice`);
  return {
    disks,
    keep: values.keep ?? false,
    json: values.json ?? false,
    kill: parseKill(values.kill),
    state: values.state,
    help: values.help ?? false,
  };
}

function parseKill(text: string | undefined): readonly Killable[] {
  if (text === undefined) return [];
  if (text === 'all') return killable;
  const one = killable.find((part) => part === text);
  if (one === undefined) throw new Error(`--kill takes ${killable.join(', ')} or all, not ${JSON.stringify(text)}`);
  return [one];
}
