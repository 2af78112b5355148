/** Runs one invocation the way the real Node worker does: model, hooks, user code, hooks, response. */
import type { ErrorMessage, InvokeMessage, LogMessage, ResultMessage } from '../protocol';
import { triggerOf } from '../protocol';
import { type CoreInvocationContext, type FunctionCallback, type Registry, runHooks } from './core-api';
import { findReusedTask } from './task-reuse';

/** Never throws: what user code throws becomes an error message. */
export async function invoke(
  registry: Registry,
  message: InvokeMessage,
  log: (line: LogMessage) => void,
): Promise<ResultMessage | ErrorMessage> {
  const { invocationId } = message;
  try {
    return await run(registry, message, log);
  } catch (error) {
    const cause = error instanceof Error ? error : new Error(String(error));
    return {
      kind: 'error',
      invocationId,
      name: cause.name,
      message: cause.message,
      stack: String(cause.stack ?? cause.message),
    };
  }
}

async function run(
  registry: Registry,
  message: InvokeMessage,
  log: (line: LogMessage) => void,
): Promise<ResultMessage> {
  const { invocationId, functionName, inputData, triggerMetadata, retryContext } = message;
  const registered = registry.functions.get(functionName);
  if (registered === undefined || registry.model === undefined) {
    throw new Error(`The app has no function "${functionName}".`);
  }
  const context: CoreInvocationContext = {
    invocationId,
    request: {
      ...{ invocationId, functionId: functionName, inputData, triggerMetadata },
      ...(retryContext === undefined ? {} : { retryContext }),
    },
    metadata: registered.info,
    log: (level, category, text) =>
      log({ kind: 'log', level, category: `function.${category}`, message: text, functionName, invocationId }),
  };
  const model = registry.model.getInvocationModel(context);
  const { context: invocationContext, inputs } = await model.getArguments();
  const hookData = {};

  context.state = 'preInvocationHooks';
  const before = { hookData, invocationContext, inputs, functionCallback: registered.callback };
  await runHooks(registry, 'preInvocation', before);

  context.state = 'invocation';
  const after = {
    hookData,
    invocationContext,
    inputs: before.inputs,
    result: undefined as unknown,
    error: undefined as unknown,
  };
  try {
    after.result = await model.invokeFunction(
      invocationContext,
      before.inputs,
      before.functionCallback as FunctionCallback,
    );
  } catch (error) {
    // A function may throw undefined; the hook and the caller still need something to see.
    after.error = error ?? new Error('The function threw nothing.');
  }

  context.state = 'postInvocationHooks';
  await runHooks(registry, 'postInvocation', after);
  if (after.error !== undefined && after.error !== null) {
    throw after.error;
  }
  const response = await model.getResponse(invocationContext, after.result);
  const triggerType = triggerOf(registered.info)?.type;
  const reusedTask = triggerType === 'orchestrationTrigger' ? findReusedTask(after.result) : undefined;
  // A streamed answer leaves no return value either; null tells the host that there was no answer at all.
  const isUnanswered = triggerType === 'httpTrigger' && (after.result === undefined || after.result === null);
  const returnValue = isUnanswered ? null : response.returnValue;
  return {
    kind: 'result',
    invocationId,
    outputData: response.outputData ?? [],
    ...(returnValue === undefined ? {} : { returnValue }),
    ...(reusedTask === undefined ? {} : { reusedTask }),
  };
}
