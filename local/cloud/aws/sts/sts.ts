/** The STS query protocol: a form in, XML out. AssumeRoleWithWebIdentity is unsigned, GetCallerIdentity is signed. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { readBody } from '../../kit/http';
import type { Issuer } from '../../kit/issuer';
import type { Account } from '../iam/account';
import { authenticate } from '../iam/authenticate';
import { requestKeys } from '../iam/request-keys';
import { AwsError } from '../wire/aws-error';
import { s3AddressOf } from '../wire/s3-address';
import { sha256Hex } from '../wire/sigv4';
import { element, textElement, xmlDocument } from '../wire/xml';
import { assumeRoleWithWebIdentity } from './assume-role';

const NAMESPACE = 'https://sts.amazonaws.com/doc/2011-06-15/';
const FORM_BYTES_MAX = 128 * 1024;

export interface StsState {
  readonly account: Account;
  readonly issuer: Issuer;
  readonly treatLoopbackAsTls: boolean;
}

/** A form POST to the root is STS; everything else on this port is S3. */
export function isStsRequest(request: IncomingMessage): boolean {
  const type = request.headers['content-type'] ?? '';
  return request.method === 'POST' && type.startsWith('application/x-www-form-urlencoded');
}

/** The action is in the body, which is not read yet: only one of the two is sent without a signature. */
export function stsOperationOf(request: IncomingMessage): string {
  return request.headers.authorization === undefined ? 'AssumeRoleWithWebIdentity' : 'GetCallerIdentity';
}

/** Answers, also with the errors of the protocol; other errors are the caller's. */
export async function handleSts(
  state: StsState,
  request: IncomingMessage,
  response: ServerResponse,
  nowMs: number,
): Promise<void> {
  const requestId = randomUUID();
  const send = (status: number, xml: string): void => {
    response.statusCode = status;
    response.setHeader('date', new Date(nowMs).toUTCString());
    response.setHeader('x-amzn-requestid', requestId);
    response.setHeader('content-type', 'text/xml');
    response.setHeader('content-length', Buffer.byteLength(xml));
    response.end(xml);
  };
  try {
    const body = await readBody(request, FORM_BYTES_MAX);
    const parameters = new Map(new URLSearchParams(body.toString('utf8')));
    const action = parameters.get('Action');
    const result = answer(state, request, { action, parameters, body, nowMs });
    const metadata = element('ResponseMetadata', textElement('RequestId', requestId));
    send(200, xmlDocument(`${action}Response`, NAMESPACE, element(`${action}Result`, result), metadata));
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    request.logDetails = { ...request.logDetails, error: error.code };
    send(error.status, stsErrorXml(error.status, error.code, error.message, requestId));
  }
}

interface StsInput {
  readonly action: string | undefined;
  readonly parameters: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly nowMs: number;
}

function answer(state: StsState, request: IncomingMessage, input: StsInput): string {
  if (input.action === undefined) throw new AwsError('MissingAction', 'The request must contain the parameter Action.');
  // An injected expiry: of the web identity token here, of the session there.
  if (input.action === 'AssumeRoleWithWebIdentity') {
    if (request.fault?.kind === 'expire') {
      throw new AwsError('ExpiredTokenException', 'Token expired: injected by a fault rule');
    }
    return assume(state, request, input);
  }
  if (input.action === 'GetCallerIdentity') {
    if (request.fault?.kind === 'expire') {
      throw new AwsError('ExpiredToken', 'The security token included in the request is expired');
    }
    return callerIdentity(state, request, input);
  }
  const isKnown = /^(?:AssumeRole|AssumeRoleWithSAML|GetSessionToken|GetFederationToken)$/.test(input.action);
  throw isKnown
    ? new AwsError('NotImplemented', `${input.action} is not emulated.`)
    : new AwsError('InvalidAction', `Could not find operation ${input.action}`);
}

function assume(state: StsState, request: IncomingMessage, input: StsInput): string {
  const { account } = state;
  const keys = requestKeys({
    request,
    nowMs: input.nowMs,
    region: account.region,
    secureTransport: state.treatLoopbackAsTls,
  });
  request.logDetails = {
    roleArn: input.parameters.get('RoleArn'),
    roleSessionName: input.parameters.get('RoleSessionName'),
  };
  const assumed = assumeRoleWithWebIdentity({ ...input, account, issuer: state.issuer, keys });
  const { credentials, identity, role, sessionName } = assumed;
  return [
    textElement('SubjectFromWebIdentityToken', identity.subject),
    textElement('Audience', identity.audiences[0]),
    element(
      'AssumedRoleUser',
      textElement('Arn', `arn:aws:sts::${account.accountId}:assumed-role/${role.name}/${sessionName}`),
      textElement('AssumedRoleId', `${role.id}:${sessionName}`),
    ),
    element(
      'Credentials',
      textElement('AccessKeyId', credentials.accessKeyId),
      textElement('SecretAccessKey', credentials.secretAccessKey),
      textElement('SessionToken', credentials.sessionToken),
      textElement('Expiration', new Date(credentials.expiresAt).toISOString()),
    ),
    textElement('Provider', identity.provider.arn),
    textElement('PackedPolicySize', assumed.packedPolicySize),
  ].join('');
}

function callerIdentity(state: StsState, request: IncomingMessage, input: StsInput): string {
  const { caller } = authenticateSts(state, request, input);
  return [
    textElement('Arn', caller.names.sessionArn ?? caller.names.arn),
    textElement('UserId', caller.userId),
    textElement('Account', caller.names.accountId),
  ].join('');
}

/** STS has other codes for the same refusals. */
function authenticateSts(state: StsState, request: IncomingMessage, input: StsInput): ReturnType<typeof authenticate> {
  try {
    return authenticate({
      request,
      address: s3AddressOf(request),
      account: state.account,
      nowMs: input.nowMs,
      bodyHash: sha256Hex(input.body),
    });
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    if (error.code === 'InvalidAccessKeyId' || error.code === 'InvalidToken') {
      throw new AwsError('InvalidClientTokenId', 'The security token included in the request is invalid.');
    }
    if (error.code === 'AccessDenied')
      throw new AwsError('MissingAuthenticationToken', 'Request is missing Authentication Token');
    throw error;
  }
}

export function stsErrorXml(status: number, code: string, message: string, requestId: string): string {
  return xmlDocument(
    'ErrorResponse',
    NAMESPACE,
    element(
      'Error',
      textElement('Type', status < 500 ? 'Sender' : 'Receiver'),
      textElement('Code', code),
      textElement('Message', message),
    ),
    textElement('RequestId', requestId),
  );
}
