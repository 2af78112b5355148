/** The app's functions by name and kind. Azure compares function names without regard to case. */
import type { BindingInfo, FunctionInfo } from './protocol';
import { triggerOf } from './protocol';

export interface KnownFunction {
  readonly info: FunctionInfo;
  readonly trigger: BindingInfo;
}

export class FunctionTable {
  readonly #byName = new Map<string, KnownFunction>();

  constructor(functions: readonly FunctionInfo[]) {
    for (const info of functions) {
      const trigger = triggerOf(info);
      if (trigger !== undefined) {
        this.#byName.set(info.name.toLowerCase(), { info, trigger });
      }
    }
  }

  all(): readonly KnownFunction[] {
    return [...this.#byName.values()];
  }

  /** The function of that name if it has that kind of trigger (any kind when none is given). */
  find(name: string, triggerType?: string): KnownFunction | undefined {
    const known = this.#byName.get(name.toLowerCase());
    const fits = triggerType === undefined || known?.trigger.type.toLowerCase() === triggerType.toLowerCase();
    return fits ? known : undefined;
  }
}
