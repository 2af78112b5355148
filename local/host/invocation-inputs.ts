/** Assembles the inputs of an invocation: the trigger's data and the extra inputs, in the order of the bindings. */

import type { KnownFunction } from './function-table';
import type { NamedData, TypedData } from './protocol';

/** `clientBinding` is the JSON text of a durable client input. */
export function inputsOf(known: KnownFunction, triggerData: TypedData, clientBinding: string): readonly NamedData[] {
  return Object.entries(known.info.bindings).flatMap(([name, binding]) => {
    if (binding === known.trigger) {
      return [{ name, data: triggerData }];
    }
    return isClientInput(binding.type) ? [{ name, data: { string: clientBinding } }] : [];
  });
}

export function isClientInput(type: string): boolean {
  return type === 'durableClient' || type === 'orchestrationClient';
}

const TRIGGERS = new Set([
  'httptrigger',
  'timertrigger',
  'queuetrigger',
  'orchestrationtrigger',
  'activitytrigger',
  'entitytrigger',
]);

/** Why the embedded host cannot run a function; undefined when it can. */
export function unsupportedReason({ info, trigger }: KnownFunction): string | undefined {
  if (!TRIGGERS.has(trigger.type.toLowerCase())) {
    return `trigger ${trigger.type} is not emulated`;
  }
  for (const binding of Object.values(info.bindings)) {
    if (binding.direction === 'in' && binding !== trigger && !isClientInput(binding.type)) {
      return `input binding ${binding.type} is not emulated`;
    }
    if (binding.direction === 'out' && binding.type !== 'http' && binding.type !== 'queue') {
      return `output binding ${binding.type} is not emulated`;
    }
  }
  return undefined;
}
