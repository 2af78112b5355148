/** Errors as a person at a terminal sees them: what failed, how the process ends, and what to do now. */
import { AppError, type ErrorCode } from '../shared/model/errors';
import { type ExitName, exitCodes } from './exit-codes';

export interface CliErrorDetails {
  /** Stable, for scripts: the API's or the product's own code. */
  readonly code?: string | undefined;
  /** What to do, as a sentence or a command. */
  readonly hint?: string | undefined;
  /** Where in the input it is, such as the API's list of fields. */
  readonly fields?: readonly { readonly at: string; readonly message: string }[] | undefined;
}

export class CliError extends Error {
  override readonly name = 'CliError';
  constructor(
    readonly exit: ExitName,
    message: string,
    readonly details: CliErrorDetails = {},
  ) {
    super(message);
  }

  get exitCode(): number {
    return exitCodes[this.exit].code;
  }
}

export const usageError = (message: string, hint?: string): CliError =>
  new CliError('usage', message, { code: 'usage', hint });

/** Whatever was thrown, as one of ours. A foreign error is a bug of ours or a system error: its message is shown. */
export function toCliError(error: unknown, signal?: AbortSignal): CliError {
  if (error instanceof CliError) return error;
  if (signal?.aborted) return new CliError('interrupted', 'interrupted', { code: 'interrupted' });
  if (error instanceof AppError) {
    const message = error.message.replace(`[${error.code}] `, '');
    return new CliError(exitOf(error.code), message, { code: error.code, hint: hints[error.code] });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new CliError('failed', message, { code: 'internal' });
}

/** Families first; codes of their own below. */
function exitOf(code: ErrorCode): ExitName {
  const known = exits[code];
  if (known !== undefined) return known;
  if (code.startsWith('key.') || code.startsWith('access.')) return 'denied';
  if (code.endsWith('.corrupt') || code === 'store.mismatch') return 'damaged';
  if (code.endsWith('.not-found')) return 'nothing';
  if (code.endsWith('.conflict')) return 'conflict';
  if (code.endsWith('.unavailable') || code.endsWith('.timeout') || code.endsWith('.throttled')) return 'unreachable';
  return 'failed';
}

const exits: Readonly<Partial<Record<ErrorCode, ExitName>>> = {
  'cloud.denied': 'denied',
  'store.denied': 'denied',
  'manifest.incomplete': 'damaged',
  'request.invalid': 'usage',
  'config.invalid': 'usage',
  'restore.target-exists': 'conflict',
};

const hints: Readonly<Partial<Record<ErrorCode, string>>> = {
  'config.invalid': 'the settings come from the environment; local.settings.sample.json lists them',
  'key.wrong': 'give the key that wraps the root key of this tenant; docs/keys.md says which there are',
  'key.missing': 'docs/keys.md, "When it fails"',
  'store.denied': 'check the credentials, and that their role may read the prefix of this tenant',
  'manifest.corrupt': 'run `blockferry verify` on the neighbouring points, and keep both buckets as they are',
  'pack.corrupt': 'run `blockferry verify` on the neighbouring points, and keep both buckets as they are',
  'block.corrupt': 'run `blockferry verify` on the neighbouring points, and keep both buckets as they are',
};
