/** What Key Vault answers, as an AppError. Sources: Azure REST: Key Vault error codes; the inner codes as services report them. */
import { AppError } from '../model/errors';
import { failureOf, failureToError, isNetworkFailure, toAppError } from './azure-error';

/** Inner codes of a 403 that speak of the key and not of the caller. */
const KEY_STATES = ['KeyDisabled', 'KeyOperationForbidden', 'KeyNotYetValid', 'KeyExpired', 'ForbiddenByPolicy'];

/** `what` names the operation and the key's name. The vault's own message is not taken over: it may quote the caller. */
export function toKeyVaultError(error: unknown, what: string): AppError {
  if (error instanceof AppError) return error;
  const { status, serviceCode, retryAfterMs } = failureOf(error);
  if (status === undefined) {
    // An answer without the JSON that the client expects (a gateway's page, a cut body) breaks its parser.
    const unreadable = error instanceof TypeError || error instanceof SyntaxError;
    if (isNetworkFailure(error) || unreadable) return failureToError(what, {});
    return toAppError(error, what);
  }
  const inner = innerCodeOf(error);
  const said = [status, serviceCode, inner].filter((part) => part !== undefined).join(' ');
  const make = (code: AppError['code'], advice: string, retryable = false): AppError =>
    new AppError(code, `${what}: Key Vault answered ${said}; ${advice}`, {
      retryable,
      context: { status, ...(inner === undefined ? {} : { serviceCode: inner }) },
    });
  // A token that died under way: the next attempt brings a fresh one.
  if (status === 401) return make('cloud.denied', 'it does not accept the identity: is the vault in its tenant?', true);
  if (status === 404 || (status === 409 && /Deleted/.test(`${serviceCode}${inner}`))) {
    return make(
      'key.missing',
      'the key or this version of it is not there or was deleted: recover it, see docs/keys.md',
    );
  }
  if (status === 403 && inner !== undefined && KEY_STATES.includes(inner)) {
    return make(
      'key.disabled',
      'the key may not be used now: enable it, or give it the operations wrapKey and unwrapKey',
    );
  }
  if (status === 400) return make('key.wrong', 'this key does not fit what was to be opened');
  return failureToError(what, { status, serviceCode: inner ?? serviceCode, retryAfterMs });
}

/** `error.innererror.code` of the body, as the client keeps it. */
function innerCodeOf(error: unknown): string | undefined {
  const code = field(field(field(field(error, 'details'), 'error'), 'innerError'), 'code');
  return typeof code === 'string' && /^\w{1,60}$/.test(code) ? code : undefined;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
