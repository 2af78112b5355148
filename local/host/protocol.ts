/**
 * The messages between the host process and its worker process.
 *
 * They follow the shapes of the real host's RPC (`RpcTypedData`, `RpcInvocationRequest`), because
 * `@azure/functions` converts from and to exactly those. They travel over Node's IPC channel with
 * structured-clone serialization, so bytes stay bytes.
 */

/** One value on its way to or from user code; exactly one field is set. */
export interface TypedData {
  readonly string?: string;
  readonly json?: string;
  readonly bytes?: Uint8Array;
  readonly int?: number;
  readonly double?: number;
  readonly http?: HttpData;
}

/** Request or response of a buffered (not streamed) HTTP trigger. */
export interface HttpData {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: TypedData | null;
  readonly statusCode?: string;
  readonly cookies?: readonly HttpCookie[];
}

/** A response cookie as `@azure/functions` hands it over; nullable fields are wrapped. */
export interface HttpCookie {
  readonly name: string;
  readonly value: string;
  readonly domain?: { readonly value: string };
  readonly path?: { readonly value: string };
  readonly expires?: { readonly value: { readonly seconds: number } };
  readonly secure?: { readonly value: boolean };
  readonly httpOnly?: { readonly value: boolean };
  readonly sameSite?: 'none' | 'lax' | 'strict' | 'explicitNone';
  readonly maxAge?: { readonly value: number };
}

/** A binding as user code registered it; further properties depend on its type. */
export interface BindingInfo {
  readonly name: string;
  readonly type: string;
  readonly direction: 'in' | 'out';
  readonly [property: string]: unknown;
}

/** A registered function. `retryOptions` is its retry policy, see `retry-policy.ts`. */
export interface FunctionInfo {
  readonly name: string;
  readonly bindings: Readonly<Record<string, BindingInfo>>;
  readonly retryOptions?: unknown;
}

export interface NamedData {
  readonly name: string;
  readonly data: TypedData;
}

/** Host to worker: run one function once. */
export interface InvokeMessage {
  readonly kind: 'invoke';
  readonly invocationId: string;
  readonly functionName: string;
  readonly inputData: readonly NamedData[];
  readonly triggerMetadata: Readonly<Record<string, TypedData>>;
  /** Where a function with a retry policy stands. */
  readonly retryContext?: RetryContext;
}

/** `maxRetryCount` -1 is "without end"; `exception` is why the run before failed. */
export interface RetryContext {
  readonly retryCount: number;
  readonly maxRetryCount: number;
  readonly exception?: { readonly message: string };
}

/** Host to worker: run the app's terminate hooks and exit. */
export interface StopMessage {
  readonly kind: 'stop';
}

export type ToWorker = InvokeMessage | StopMessage;

/** Worker to host: the app is loaded. `httpUri` is present when the app streams HTTP. */
export interface ReadyMessage {
  readonly kind: 'ready';
  readonly functions: readonly FunctionInfo[];
  readonly httpUri?: string;
}

/** Worker to host: the app could not be loaded; the worker exits after it. */
export interface LoadErrorMessage {
  readonly kind: 'load-error';
  readonly message: string;
}

/** Worker to host: an invocation ended well. `reusedTask` names a durable task that was yielded twice. */
export interface ResultMessage {
  readonly kind: 'result';
  readonly invocationId: string;
  readonly returnValue?: TypedData | null;
  readonly outputData: readonly NamedData[];
  readonly reusedTask?: string;
}

/** Worker to host: user code threw. */
export interface ErrorMessage {
  readonly kind: 'error';
  readonly invocationId: string;
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** Worker to host: a log line of user code or of the SDK. */
export interface LogMessage {
  readonly kind: 'log';
  readonly level: string;
  readonly category: string;
  readonly message: string;
  readonly functionName?: string;
  readonly invocationId?: string;
}

export type FromWorker = ReadyMessage | LoadErrorMessage | ResultMessage | ErrorMessage | LogMessage;

/** The trigger binding of a function: the one whose type ends in `Trigger`. */
export function triggerOf(info: FunctionInfo): BindingInfo | undefined {
  return Object.values(info.bindings).find((binding) => /trigger$/i.test(binding.type));
}
