/** Starts the simulated clouds inside this process. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { AwsSeed } from './aws/seed';
import { createAwsService } from './aws/service';
import { startAzure } from './azure';
import { ControlRoutes, listenControl, parseControl, registerKitControl } from './control';
import { FaultPlan } from './kit/faults';
import { listen } from './kit/listen';
import { SeededRandom } from './kit/random';
import { RequestLog } from './kit/request-log';
import type { CloudContext } from './kit/service';
import { listenAgain, type Ports } from './ports';
import { seedSchema } from './seed';
import { SelfStateFile } from './state';

export interface CloudOptions {
  /** Made when missing; a second start with it goes on where the first ended. One simulator at a time. */
  readonly stateDirectory: string;
  /** The parsed seed file; validated here. */
  readonly seed: unknown;
  /** Relative image paths of the seed start here; the working directory when absent. */
  readonly seedDirectory?: string;
  /** 0 or absent: the port of the last start, or any. */
  readonly ports?: Ports;
}

export interface CloudEndpoints {
  readonly arm: string;
  readonly disk: string;
  readonly identity: string;
  readonly identityHeader: string;
  readonly keyVault: string;
  readonly aws: string;
  readonly control: string;
}

export interface Cloud {
  readonly endpoints: CloudEndpoints;
  readonly caFile: string;
  readonly context: CloudContext;
  close(): Promise<void>;
}

/** Rejects with a readable message when the seed is not valid or a port is taken. */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  const parsed = seedSchema.safeParse(options.seed);
  if (!parsed.success) throw new Error(`the seed is not valid:\n${z.prettifyError(parsed.error)}`);
  const seed = parsed.data;
  const ports = options.ports ?? {};
  const state = new SelfStateFile(options.stateDirectory);
  state.update({ startCount: state.get().startCount + 1 });
  const routes = new ControlRoutes();
  // Each start has its own stream: names that an earlier start gave must not come again.
  const random = new SeededRandom(`${seed.randomSeed ?? randomUUID()}:${state.get().startCount}`);
  const context: CloudContext = {
    stateDirectory: options.stateDirectory,
    now: () => Date.now() + state.get().clockShiftMs,
    random,
    faults: new FaultPlan(random),
    log: new RequestLog(),
    registerControl: routes.register,
  };
  registerKitControl(context);
  registerClock(context, state);
  const azure = await startAzure(context, {
    seed,
    seedDirectory: options.seedDirectory ?? process.cwd(),
    state,
    ports,
  });
  const aws = createAwsService(context, seed.aws as unknown as AwsSeed, azure.identity);
  const awsListener = await listenAgain(state, 'aws', ports.aws, (port) => listen(aws, context, { port }));
  const endpoints = { ...azure.endpoints, aws: `http://127.0.0.1:${awsListener.port}` };
  context.registerControl('GET', '/healthz', () => ({
    ready: true,
    endpoints: { ...endpoints, identityHeader: undefined },
  }));
  const controlListener = await listenAgain(state, 'control', ports.control, (port) => listenControl(routes, port));
  return {
    endpoints: { ...endpoints, control: `http://127.0.0.1:${controlListener.port}` },
    caFile: azure.caFile,
    context,
    async close() {
      await controlListener.close();
      await awsListener.close();
      await aws.close();
      await azure.close();
    },
  };
}

/** `shiftMs` is the distance from real time, not from the present shift; it survives a restart. */
function registerClock(context: CloudContext, state: SelfStateFile): void {
  const clock = () => ({ now: context.now(), shiftMs: state.get().clockShiftMs });
  context.registerControl('GET', '/clock', clock);
  context.registerControl('POST', '/clock', ({ body }) => {
    const { shiftMs } = parseControl(z.object({ shiftMs: z.number() }), body);
    state.update({ clockShiftMs: shiftMs });
    return clock();
  });
}
