/** Refusals in Key Vault's own form: a code, and for a 403 or 409 an inner code that says which kind. */
export class VaultError extends Error {
  override readonly name = 'VaultError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly innerCode?: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export const errorBody = (code: string, message: string, innerCode?: string): object => ({
  error: { code, message, ...(innerCode === undefined ? {} : { innererror: { code: innerCode } }) },
});

export const keyNotFound = (name: string): VaultError =>
  new VaultError(
    404,
    'KeyNotFound',
    `A key with (name/id) ${name} was not found in this key vault. If you recently deleted this key you may be able to recover it using the correct recovery command.`,
  );

export const forbidden = (innerCode: string, message: string): VaultError =>
  new VaultError(403, 'Forbidden', message, innerCode);

export const badParameter = (message: string): VaultError => new VaultError(400, 'BadParameter', message);
