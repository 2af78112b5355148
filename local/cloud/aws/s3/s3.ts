/** One S3 request from its signature to its reply. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticate } from '../iam/authenticate';
import { AwsError } from '../wire/aws-error';
import { type S3Address, s3AddressOf } from '../wire/s3-address';
import { readSignatureClaim } from '../wire/sigv4';
import { textElement, xmlDocument } from '../wire/xml';
import type { S3Call, S3Reply, S3State } from './call';
import { HANDLERS, s3OperationOf } from './routes';
import { drain, sendReply } from './send';

/** Answers, also with the errors of the protocol; other errors are the caller's. */
export async function handleS3(
  state: S3State,
  request: IncomingMessage,
  response: ServerResponse,
  nowMs: number,
): Promise<void> {
  const options = { files: state.files, nowMs };
  try {
    // A handler that does not wait is not awaited: nothing may come between its look-up and the opening of the data.
    const reply = answer(state, request, nowMs);
    await sendReply(response, reply instanceof Promise ? await reply : reply, options);
  } catch (error) {
    if (request.destroyed && !request.complete) return; // the client went away in the middle of its body
    if (!(error instanceof AwsError)) throw error;
    request.logDetails = { ...request.logDetails, error: error.code };
    await drain(request);
    await sendReply(response, errorReply(request, error), options);
  }
}

function answer(state: S3State, request: IncomingMessage, nowMs: number): S3Reply | Promise<S3Reply> {
  const address = s3AddressOf(request);
  request.logDetails = { bucket: address.bucket, key: address.key };
  if (request.fault?.kind === 'expire') throw new AwsError('ExpiredToken', 'The provided token has expired.');
  checkRegion(state, request, address);
  const auth = authenticate({ request, address, account: state.account, nowMs, bodyHash: undefined });
  request.logDetails = { ...request.logDetails, principal: auth.caller.names.arn };
  const operation = s3OperationOf(request, address);
  if (operation === undefined) {
    throw new AwsError(
      'NotImplemented',
      `This request is not emulated: ${request.method ?? ''} with these parameters.`,
    );
  }
  const call: S3Call = { state, request, address, auth, nowMs };
  return HANDLERS[operation](call);
}

function checkRegion(state: S3State, request: IncomingMessage, address: S3Address): void {
  const region = readSignatureClaim(request, address)?.scope.split('/')[1];
  if (region === undefined || region === state.account.region) return;
  throw new AwsError(
    'AuthorizationHeaderMalformed',
    `The authorization header is malformed; the region '${region}' is wrong; expecting '${state.account.region}'`,
    { elements: { Region: state.account.region } },
  );
}

function errorReply(request: IncomingMessage, error: AwsError): S3Reply {
  const resource = (request.url ?? '/').split('?')[0] ?? '/';
  return {
    status: error.status,
    headers: { ...error.extra.headers },
    xml: s3ErrorXml(error.code, error.message, { ...error.extra.elements, Resource: resource }),
  };
}

export function s3ErrorXml(code: string, message: string, elements: Readonly<Record<string, string>> = {}): string {
  return xmlDocument(
    'Error',
    undefined,
    textElement('Code', code),
    textElement('Message', message),
    ...Object.entries(elements).map(([name, value]) => textElement(name, value)),
    textElement('RequestId', randomBytes(8).toString('hex').toUpperCase()),
  );
}
