/** Puts the host together: worker, engine, triggers, HTTP. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type http from 'node:http';
import { join, resolve } from 'node:path';
import type { HostArgs } from './args';
import { DurableClientApi } from './durable/client-api';
import { clientBinding } from './durable/client-urls';
import { Database } from './durable/database';
import { DurableEngine } from './durable/engine';
import { FunctionTable } from './function-table';
import { type HostConfig, loadHostConfig } from './host-json';
import { createFront, createRpcListener, listen } from './http/front';
import { unsupportedReason } from './invocation-inputs';
import { type Keys, loadKeys } from './keys';
import type { Log } from './log';
import { writeQueueOutputs } from './queue/output';
import { loadSettings, type Settings } from './settings';
import { Triggers } from './triggers';
import { WorkerProcess } from './worker-process';

export interface RunningHost {
  readonly url: string;
  readonly keys: Keys;
  /** Stops accepting work and ends the worker. What was in flight goes on at the next start. */
  stop(): Promise<void>;
}

/** Starts the host; rejects when the app, host.json or the settings are not usable. */
export async function startHost(args: HostArgs, log: Log, environment: NodeJS.ProcessEnv): Promise<RunningHost> {
  const appDir = resolve(args.appDir);
  mkdirSync(args.stateDir, { recursive: true });
  const config = loadHostConfig(join(appDir, 'host.json'));
  const settings = loadSettings(args.settingsFile, environment);
  const keys = loadKeys(args.stateDir);
  const rpcPath = `/${randomBytes(16).toString('base64url')}/durabletask/`;

  // Both ports are taken first: the worker's environment and the client binding need them.
  const front = deferredListener();
  const rpc = deferredListener();
  const main = await listen(front.listener, args.port);
  const rpcServer = await listen(rpc.listener, 0);
  const worker = new WorkerProcess({
    appDir,
    env: workerEnvironment(settings, main.port),
    functionTimeoutMs: config.functionTimeoutMs,
    log,
  });
  const { functions: infos } = await worker.start();
  const functions = new FunctionTable(infos);
  const db = new Database(join(args.stateDir, 'host.db'));
  const engine = new DurableEngine({
    ...{ db, worker, functions, config: config.durable, log },
    repeatActivities: settings['BLOCKFERRY_HOST_REPEAT_ACTIVITIES'] === '1',
    checkReplay: settings['BLOCKFERRY_HOST_CHECK_REPLAY'] === '1',
  });
  const origin = `http://localhost:${main.port}`;
  const rpcBaseUrl = `http://127.0.0.1:${rpcServer.port}${rpcPath}`;
  const addresses = { origin, rpcBaseUrl, hubName: config.durable.hubName, systemKey: keys.systemKey };
  const durable = new DurableClientApi(engine, addresses);
  const binding = clientBinding(addresses);
  const triggers = new Triggers({ db, worker, functions, config, settings, clientBinding: binding, log });

  front.use(
    createFront({
      functions: httpFunctions(functions, log),
      routePrefix: config.routePrefix,
      keys,
      trigger: { worker, clientBinding: binding, writeOutputs: outputs(settings, config) },
      admin: { functions, run: (name, input) => triggers.runByHand(name, input) },
      durable,
      log,
    }),
  );
  rpc.use(createRpcListener(durable, rpcPath, log));
  engine.start();
  triggers.start();

  return {
    url: `http://127.0.0.1:${main.port}`,
    keys,
    stop: async () => {
      triggers.stop();
      engine.stop();
      for (const { server } of [main, rpcServer]) {
        server.close();
        server.closeAllConnections();
      }
      await worker.stop();
      db.close();
    },
  };
}

/** `WEBSITE_HOSTNAME` unset would make durable-functions rewrite every management URL to port 7071. */
function workerEnvironment(settings: Settings, port: number): Settings {
  return {
    ...settings,
    WEBSITE_HOSTNAME: `localhost:${port}`,
    FUNCTIONS_WORKER_RUNTIME: 'node',
    AZURE_FUNCTIONS_ENVIRONMENT: settings['AZURE_FUNCTIONS_ENVIRONMENT'] ?? 'Development',
  };
}

function httpFunctions(functions: FunctionTable, log: Log): ReturnType<FunctionTable['all']> {
  return functions.all().filter((known) => {
    const reason = unsupportedReason(known);
    if (reason !== undefined) {
      log({ level: 'error', category: 'host', message: `Not started: ${reason}.`, functionName: known.info.name });
    }
    if (known.info.retryOptions !== undefined && known.trigger.type.toLowerCase() !== 'timertrigger') {
      const message = `A retry policy does not apply to a ${known.trigger.type}; the function runs without one.`;
      log({ level: 'warning', category: 'host', message, functionName: known.info.name });
    }
    return reason === undefined && known.trigger.type.toLowerCase() === 'httptrigger';
  });
}

function outputs(settings: Settings, config: HostConfig) {
  return (known: Parameters<typeof writeQueueOutputs>[2], result: Parameters<typeof writeQueueOutputs>[3]) =>
    writeQueueOutputs(settings, config.queues.encoding, known, result);
}

/** A listener that answers 503 until the host is ready. */
function deferredListener(): { listener: http.RequestListener; use(target: http.RequestListener): void } {
  let current: http.RequestListener = (_request, response) => {
    response.writeHead(503, { 'retry-after': '1' }).end();
  };
  return {
    listener: (request, response) => current(request, response),
    use: (target) => {
      current = target;
    },
  };
}
