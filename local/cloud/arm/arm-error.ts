/** An error in ARM's form: `{error: {code, message}}` with a status. */
export class ArmError extends Error {
  override readonly name = 'ArmError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export function invalidParameter(message: string): ArmError {
  return new ArmError(400, 'InvalidParameter', message);
}

export function notAllowed(message: string): ArmError {
  return new ArmError(409, 'OperationNotAllowed', message);
}

export function resourceNotFound(id: string): ArmError {
  const parts = id.split('/');
  const group = parts[4] ?? '';
  const name = parts.slice(6).join('/');
  return new ArmError(404, 'ResourceNotFound', `The Resource '${name}' under resource group '${group}' was not found.`);
}

export function notEmulated(what: string): ArmError {
  return new ArmError(501, 'NotImplemented', `${what} is not emulated.`);
}
