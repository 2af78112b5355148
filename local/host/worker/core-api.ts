/**
 * `@azure/functions-core`: the module that only a Functions worker provides.
 *
 * `@azure/functions` requires it lazily; there is no such package. Like the real Node worker we answer
 * that require from `Module.prototype.require`, so user code runs unmodified, whether compiled to
 * CommonJS or not (`@azure/functions` itself is CommonJS).
 */
import Module from 'node:module';
import type { FunctionInfo, NamedData, RetryContext, TypedData } from '../protocol';

export type FunctionCallback = (...args: unknown[]) => unknown;
export type HookCallback = (context: Record<string, unknown>) => unknown;

/** What the programming model receives for one invocation. */
export interface CoreInvocationContext {
  readonly invocationId: string;
  readonly request: {
    readonly invocationId: string;
    readonly functionId: string;
    readonly inputData: readonly NamedData[];
    readonly triggerMetadata: Readonly<Record<string, TypedData>>;
    readonly retryContext?: RetryContext;
  };
  readonly metadata: FunctionInfo;
  state?: 'preInvocationHooks' | 'postInvocationHooks' | 'invocation';
  log(level: string, category: string, message: string): void;
}

/** The half of the contract that `@azure/functions` implements. */
export interface InvocationModel {
  getArguments(): Promise<{ context: unknown; inputs: unknown[] }>;
  invokeFunction(context: unknown, inputs: unknown[], callback: FunctionCallback): Promise<unknown>;
  getResponse(
    context: unknown,
    result: unknown,
  ): Promise<{ returnValue?: TypedData | null; outputData?: { name: string; data: TypedData }[] }>;
}

export interface ProgrammingModel {
  readonly name: string;
  getInvocationModel(context: CoreInvocationContext): InvocationModel;
  getCapabilities?(capabilities: Record<string, string>): Promise<Record<string, string>>;
}

export interface RegisteredFunction {
  readonly info: FunctionInfo;
  readonly callback: FunctionCallback;
}

/** Everything the app registered while it was loaded. */
export interface Registry {
  readonly functions: Map<string, RegisteredFunction>;
  readonly hooks: Map<string, HookCallback[]>;
  model: ProgrammingModel | undefined;
}

class Disposable {
  readonly #release: () => void;
  constructor(release: () => void) {
    this.#release = release;
  }
  dispose(): void {
    this.#release();
  }
}

/** Makes `require('@azure/functions-core')` work from now on, and returns what gets registered through it. */
export function installCoreApi(log: (level: string, category: string, message: string) => void): Registry {
  const registry: Registry = { functions: new Map(), hooks: new Map(), model: undefined };
  const core = {
    version: '3.0.0',
    // @azure/functions compares it for features (4.34 brought log hooks).
    hostVersion: '4.1040.0',
    Disposable,
    registerFunction(info: FunctionInfo, callback: FunctionCallback): Disposable {
      if (registry.functions.has(info.name)) {
        throw new Error(`A function with name "${info.name}" has already been registered.`);
      }
      // The JSON round trip is what crossing to the real host does: functions and undefined are dropped.
      registry.functions.set(info.name, { info: JSON.parse(JSON.stringify(info)) as FunctionInfo, callback });
      return new Disposable(() => registry.functions.delete(info.name));
    },
    setProgrammingModel(model: ProgrammingModel): void {
      registry.model = model;
    },
    getProgrammingModel(): ProgrammingModel | undefined {
      return registry.model;
    },
    registerHook(name: string, callback: HookCallback): Disposable {
      const hooks = registry.hooks.get(name) ?? [];
      registry.hooks.set(name, hooks);
      hooks.push(callback);
      return new Disposable(() => hooks.splice(hooks.indexOf(callback), 1));
    },
    log,
  };
  const original = Module.prototype.require;
  const patched = function (this: Module, id: string): unknown {
    return id === '@azure/functions-core' ? core : original.call(this, id);
  };
  Module.prototype.require = Object.assign(patched, original);
  return registry;
}

/** Calls the hooks of one kind in order of registration; they may change the context they share. */
export async function runHooks(registry: Registry, name: string, context: Record<string, unknown>): Promise<void> {
  for (const hook of registry.hooks.get(name) ?? []) {
    await hook(context);
  }
}
