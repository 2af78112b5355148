/**
 * An error of the S3 or STS protocol: its code is what an SDK shows as `error.name`.
 * The table names each code that the simulator can answer with, so that a misspelt one does not compile.
 */
const STATUS_OF = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BadRequest: 400,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  ConditionalRequestConflict: 409,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  ExpiredToken: 400,
  IllegalLocationConstraintException: 400,
  IncompleteBody: 400,
  InternalError: 500,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidBucketState: 409,
  InvalidDigest: 400,
  InvalidPart: 400,
  InvalidPartNumber: 416,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidToken: 400,
  KeyTooLongError: 400,
  MalformedPolicy: 400,
  MalformedXML: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  MissingSecurityHeader: 400,
  NoSuchBucket: 404,
  NoSuchBucketPolicy: 404,
  NoSuchKey: 404,
  NoSuchLifecycleConfiguration: 404,
  NoSuchObjectLockConfiguration: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NotImplemented: 501,
  ObjectLockConfigurationNotFoundError: 404,
  PreconditionFailed: 412,
  RequestTimeTooSkewed: 403,
  SignatureDoesNotMatch: 403,
  XAmzContentSHA256Mismatch: 400,
  // STS
  ExpiredTokenException: 400,
  IDPCommunicationError: 400,
  IDPRejectedClaim: 403,
  InvalidAction: 400,
  InvalidClientTokenId: 403,
  InvalidIdentityToken: 400,
  MalformedPolicyDocument: 400,
  MissingAction: 400,
  MissingAuthenticationToken: 403,
  PackedPolicyTooLarge: 400,
  ValidationError: 400,
} as const;

export type AwsErrorCode = keyof typeof STATUS_OF;

export class AwsError extends Error {
  override readonly name = 'AwsError';

  constructor(
    readonly code: AwsErrorCode,
    message: string,
    /** Further elements of the error body, and headers of the reply. */
    readonly extra: {
      readonly elements?: Readonly<Record<string, string>>;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(message);
  }

  get status(): number {
    return STATUS_OF[this.code];
  }
}

/** The code that AWS itself would use with an injected status when the fault names none. */
export function codeOfStatus(status: number): string {
  const known: Readonly<Record<number, string>> = {
    400: 'BadRequest',
    403: 'AccessDenied',
    404: 'NoSuchKey',
    409: 'ConditionalRequestConflict',
    412: 'PreconditionFailed',
    429: 'TooManyRequestsException',
    500: 'InternalError',
    501: 'NotImplemented',
    503: 'SlowDown',
  };
  return known[status] ?? (status >= 500 ? 'InternalError' : 'BadRequest');
}
