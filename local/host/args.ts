/** Command line of the embedded host. */
import { parseArgs } from 'node:util';

export interface HostArgs {
  readonly appDir: string;
  readonly stateDir: string;
  readonly port: number;
  readonly parentPid: number | undefined;
  readonly settingsFile: string | undefined;
  readonly logFile: string | undefined;
}

export const USAGE =
  'usage: main.js --app <dir> --state <dir> [--port <n>] [--parent <pid>] [--settings <file>] [--log <file>]';

/** Throws with a message for the user when an argument is missing or wrong. */
export function parseHostArgs(args: readonly string[]): HostArgs {
  const { values } = parseArgs({
    args: [...args],
    options: {
      app: { type: 'string' },
      state: { type: 'string' },
      port: { type: 'string' },
      parent: { type: 'string' },
      settings: { type: 'string' },
      log: { type: 'string' },
    },
  });
  if (values.app === undefined || values.state === undefined) {
    throw new Error(`--app and --state are required\n${USAGE}`);
  }
  return {
    appDir: values.app,
    stateDir: values.state,
    port: wholeNumber(values.port ?? '0', '--port'),
    parentPid: values.parent === undefined ? undefined : wholeNumber(values.parent, '--parent'),
    settingsFile: values.settings,
    logFile: values.log,
  };
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d+$/.test(text)) {
    throw new Error(`${name} must be a whole number, not "${text}"\n${USAGE}`);
  }
  return Number(text);
}
