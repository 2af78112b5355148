/**
 * The embedded Functions host as a process. It prints one JSON line when it is ready, logs to stderr, and ends on
 * SIGINT, SIGTERM or the death of the process named by `--parent`.
 */
import { parseHostArgs } from './args';
import { startHost } from './host';
import { createLog, messageOf } from './log';

const PARENT_CHECK_MS = 500;

async function main(): Promise<void> {
  const args = parseHostArgs(process.argv.slice(2));
  const log = createLog(args.logFile);
  const host = await startHost(args, log, process.env);
  let isStopping = false;
  const stop = (why: string): void => {
    if (!isStopping) {
      isStopping = true;
      log({ level: 'information', category: 'host', message: `Stopping: ${why}.` });
      host.stop().then(
        () => process.exit(0),
        () => process.exit(1),
      );
    }
  };
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGTERM', () => stop('SIGTERM'));
  if (args.parentPid !== undefined) {
    const { parentPid } = args;
    setInterval(() => isAlive(parentPid) || stop('the parent process is gone'), PARENT_CHECK_MS).unref();
  }
  const { masterKey, functionKey } = host.keys;
  process.stdout.write(`${JSON.stringify({ ready: true, url: host.url, masterKey, functionKey })}\n`);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${JSON.stringify({ level: 'critical', category: 'host', message: messageOf(error) })}\n`);
  process.exit(1);
});
