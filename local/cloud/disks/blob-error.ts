import type { ServerResponse } from 'node:http';

/** An error of the Blob service's protocol: status, `x-ms-error-code`, and the text of the XML body. */
export class BlobError extends Error {
  override readonly name = 'BlobError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export function authenticationFailed(): BlobError {
  return new BlobError(
    403,
    'AuthenticationFailed',
    'Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.',
  );
}

export function blobErrorReply(code: string, message: string): { headers: Record<string, string>; body: string } {
  return {
    headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' },
    body: `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`,
  };
}

export function sendBlobError(response: ServerResponse, error: BlobError): void {
  const reply = blobErrorReply(error.code, error.message);
  for (const [name, value] of Object.entries({ ...reply.headers, ...error.headers })) response.setHeader(name, value);
  response.statusCode = error.status;
  response.setHeader('content-length', Buffer.byteLength(reply.body));
  response.end(response.req.method === 'HEAD' ? undefined : reply.body);
}

/** The codes Azure gives with these statuses when it is busy or failing. */
export function defaultBlobCode(status: number): string {
  if (status === 403) return 'AuthenticationFailed';
  if (status === 404) return 'BlobNotFound';
  if (status === 503) return 'ServerBusy';
  if (status === 500) return 'InternalError';
  return status >= 500 ? 'OperationTimedOut' : 'InvalidInput';
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
