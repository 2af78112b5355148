/** Offers the wraps of envelopes to the wrappers at hand, and believes only what authenticates. */
import { authenticateEnvelope, type KeyEnvelope, rootGeneration, rootKeyCheck } from '../format/key-envelope';
import { rootKeyBytes } from '../format/keys';
import { envelopeKey } from '../format/store-keys';
import { AppError, isAppError } from '../model/errors';
import type { KeyWrapper, WrapContext } from './key-wrapper';
import { type EnvelopeCopy, type EnvelopeName, type EnvelopePlace, readEnvelope } from './tenant-keys-store';

export interface UnwrapRequest extends EnvelopePlace {
  readonly wrappers: readonly KeyWrapper[];
}

/**
 * Which root key this tenant has: the check of its oldest readable envelope. When the two copies of that one claim different
 * keys, the one that can be authenticated is right; when both can, a bucket was replaced, and nothing is (`key.corrupt`).
 */
export async function findCheck(
  request: UnwrapRequest,
  names: readonly EnvelopeName[],
  failures: unknown[],
): Promise<string | undefined> {
  for (const name of names) {
    const { copies, problems } = await readEnvelope(request, name);
    failures.push(...problems);
    const checks = new Set(copies.map(({ envelope }) => envelope.check));
    if (checks.size === 0) continue;
    if (checks.size === 1) return [...checks][0];
    const authentic: string[] = [];
    for (const copy of copies) {
      const rootKey = await openCopy(request, copy, failures);
      if (rootKey) authentic.push(copy.envelope.check);
      rootKey?.fill(0);
    }
    if (authentic.length > 1) throw tampered(request.tenant, name.rewrap);
    return authentic[0];
  }
  return undefined;
}

/** The root key in one copy of an envelope; undefined, with the reasons added to `failures`, when it does not open. */
export async function openCopy(
  request: UnwrapRequest,
  { stored, envelope, bucket }: EnvelopeCopy,
  failures: unknown[],
): Promise<Buffer | undefined> {
  const rootKey = await unwrapAny(request, envelope, failures);
  if (!rootKey || authenticateEnvelope(stored, rootKey, envelope)) return rootKey;
  rootKey.fill(0);
  const error = tampered(request.tenant, envelope.rewrap);
  request.logger.error('a key envelope was changed by somebody without the root key', { ...error.context, bucket });
  failures.push(error);
  return undefined;
}

function tampered(tenant: string, rewrap: number): AppError {
  const object = envelopeKey(tenant, rootGeneration, rewrap);
  return new AppError(
    'key.corrupt',
    `key envelope ${object} was changed or replaced; nothing was written, see docs/keys.md`,
    { context: { object } },
  );
}

/** The root key, or undefined with the reasons added to `failures`. A failing wrapper does not keep the next from trying. */
async function unwrapAny(
  request: UnwrapRequest,
  envelope: KeyEnvelope,
  failures: unknown[],
): Promise<Buffer | undefined> {
  const { tenant, wrappers, signal } = request;
  const context: WrapContext = { tenant, generation: envelope.generation, signal };
  let tried = 0;
  for (const wrapper of wrappers) {
    for (const wrap of envelope.wraps) {
      try {
        if (!(await wrapper.opens(wrap))) continue;
        tried++;
        const rootKey = await wrapper.unwrap(wrap, context);
        if (rootKey.length === rootKeyBytes && rootKeyCheck(rootKey, tenant) === envelope.check) return rootKey;
        rootKey.fill(0);
        failures.push(wrong(tenant, `${await wrapper.describe()} opens a wrap that holds another key`));
      } catch (error) {
        if (!isAppError(error)) throw error;
        tried++;
        failures.push(error);
      }
    }
  }
  if (tried === 0) failures.push(await noneFits(request, envelope));
  return undefined;
}

async function noneFits({ tenant, wrappers }: UnwrapRequest, envelope: KeyEnvelope): Promise<AppError> {
  const needed = envelope.wraps.map(({ kind, keyId }) => `${kind} ${keyId}`).join(' or ');
  const given = (await Promise.all(wrappers.map((wrapper) => wrapper.describe().catch(() => wrapper.kind)))).join(', ');
  return wrong(tenant, `it needs ${needed}; given is ${given || 'nothing'}`);
}

const wrong = (tenant: string, why: string): AppError =>
  new AppError('key.wrong', `the root key of tenant ${tenant} cannot be opened: ${why}; nothing was written`);
