/** Waits for the wish to stop: Ctrl-C, SIGTERM, a closed terminal or pipe, or the end of whoever started us. */
import { watchParent } from './watch-parent';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface StopWish {
  /** Aborted by the first wish; further ones change nothing, because stopping properly is under way. */
  readonly signal: AbortSignal;
  /** 130 after Ctrl-C, 143 after SIGTERM, ... : what a shell expects of a program ended so. */
  readonly exitCode: () => number;
}

export function listenForStop(): StopWish {
  const controller = new AbortController();
  let exitCode = 0;
  const wish = (code: number): void => {
    if (controller.signal.aborted) return;
    exitCode = code;
    controller.abort();
  };
  for (const [name, code] of [
    [SIGNALS[0], 130],
    [SIGNALS[1], 143],
    [SIGNALS[2], 129],
  ] as const) {
    process.on(name, () => wish(code));
  }
  // Nobody reads any more (`npm run demo | head`): what SIGPIPE would mean.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => wish(141));
  // Set by local/bootstrap.mjs.
  watchParent(Number(process.env['BLOCKFERRY_PARENT_PID'] ?? 0), () => wish(143));
  return { signal: controller.signal, exitCode: () => exitCode };
}

/** Resolves when the signal is aborted. Keeps the process alive meanwhile. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const alive = setInterval(() => undefined, 60_000);
    signal.addEventListener('abort', () => {
      clearInterval(alive);
      resolve();
    });
  });
}
