/**
 * The worker process: it runs user code and nothing else.
 *
 * It is forked by the host and lives as long as the IPC channel: when the host dies, however it dies,
 * the channel closes and the worker exits, so `kill -9` of the host leaves no process behind.
 */
import http from 'node:http';
import type { FromWorker, LogMessage, ToWorker } from '../protocol';
import { installCoreApi, type Registry, runHooks } from './core-api';
import { invoke } from './invoke';
import { loadApp } from './load-app';

const APP_DIR_ARGUMENT = 2;

async function main(): Promise<void> {
  process.on('disconnect', () => process.exit(0));
  const registry = installCoreApi((level, category, message) =>
    send({ kind: 'log', level, category: `worker.${category}`, message }),
  );
  try {
    await loadApp(process.argv[APP_DIR_ARGUMENT] ?? process.cwd());
    if (registry.model === undefined) {
      throw new Error('The app registered no function.');
    }
    const capabilities = await withLoopbackListen(async () => (await registry.model?.getCapabilities?.({})) ?? {});
    await runHooks(registry, 'appStart', { hookData: {} });
    process.on('message', (message: ToWorker) => void receive(registry, message));
    send({
      kind: 'ready',
      functions: [...registry.functions.values()].map(({ info }) => info),
      ...(capabilities['HttpUri'] === undefined ? {} : { httpUri: capabilities['HttpUri'] }),
    });
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.send?.({ kind: 'load-error', message }, () => process.exit(1));
  }
}

async function receive(registry: Registry, message: ToWorker): Promise<void> {
  if (message.kind === 'stop') {
    await runHooks(registry, 'appTerminate', { hookData: {} }).catch(() => undefined);
    process.exit(0);
  }
  send(await invoke(registry, message, (line: LogMessage) => send(line)));
}

function send(message: FromWorker): void {
  if (process.connected) {
    process.send?.(message);
  }
}

/**
 * `@azure/functions` opens its streaming port with a bare `listen()`, which is every interface.
 * Here nothing may be reachable from outside the machine, so a bare `listen` becomes loopback.
 */
async function withLoopbackListen<Result>(action: () => Promise<Result>): Promise<Result> {
  const original = http.createServer;
  http.createServer = ((...args: Parameters<typeof original>) => {
    const server = original(...args);
    const listen = server.listen.bind(server) as (...listenArgs: unknown[]) => typeof server;
    server.listen = ((first: unknown, ...rest: unknown[]) =>
      typeof first === 'function' ? listen(0, '127.0.0.1', first) : listen(first, ...rest)) as typeof server.listen;
    return server;
  }) as typeof original;
  try {
    return await action();
  } finally {
    http.createServer = original;
  }
}

void main();
