import { decideAccess } from '../../local/cloud/aws/iam/evaluate';
import {
  type PolicyDocument,
  PolicyError,
  type PolicyStatementDocument,
  parsePolicy,
} from '../../local/cloud/aws/iam/policy-document';

const ROLE = 'arn:aws:iam::111122223333:role/writer';
const SESSION = 'arn:aws:sts::111122223333:assumed-role/writer/job';
const OBJECT = 'arn:aws:s3:::data/t/one/u/abc';

interface Case {
  readonly identity?: PolicyStatementDocument;
  readonly session?: PolicyStatementDocument;
  readonly bucket?: PolicyStatementDocument;
  readonly action?: string;
  readonly resource?: string;
  readonly keys?: Readonly<Record<string, readonly string[]>>;
}

const ALLOW_ALL: PolicyStatementDocument = { Effect: 'Allow', Action: 's3:*', Resource: '*' };

function isAllowed(input: Case): boolean {
  const parse = (statement: PolicyStatementDocument | undefined, kind: 'identity' | 'resource') =>
    statement === undefined ? undefined : parsePolicy({ Statement: statement }, kind);
  return decideAccess(
    {
      identity: [parse(input.identity ?? ALLOW_ALL, 'identity') ?? { statements: [] }],
      session: parse(input.session, 'identity'),
      resource: parse(input.bucket, 'resource'),
    },
    {
      principal: { accountId: '111122223333', arn: ROLE, sessionArn: SESSION },
      action: input.action ?? 's3:PutObject',
      resource: input.resource ?? OBJECT,
      keys: new Map(Object.entries(input.keys ?? {})),
    },
  ).allowed;
}

const when = (condition: PolicyStatementDocument['Condition']): PolicyStatementDocument => ({
  ...ALLOW_ALL,
  ...(condition === undefined ? {} : { Condition: condition }),
});

describe('who may do what', () => {
  test.each<[string, Case, boolean]>([
    ['nothing is allowed by default', { identity: { Effect: 'Allow', Action: 's3:GetObject', Resource: '*' } }, false],
    ['actions match without regard to case', { identity: { ...ALLOW_ALL, Action: 'S3:putobject' } }, true],
    ['a wildcard in an action', { identity: { ...ALLOW_ALL, Action: 's3:Put*' } }, true],
    [
      'a wildcard in a resource reaches over slashes',
      { identity: { ...ALLOW_ALL, Resource: 'arn:aws:s3:::data/*' } },
      true,
    ],
    ['another prefix is not covered', { identity: { ...ALLOW_ALL, Resource: 'arn:aws:s3:::data/t/two/*' } }, false],
    ['the bucket is not its objects', { identity: { ...ALLOW_ALL, Resource: 'arn:aws:s3:::data' } }, false],
    ['NotAction allows the rest', { identity: { Effect: 'Allow', NotAction: 's3:Delete*', Resource: '*' } }, true],
    [
      'NotAction leaves out what it names',
      { identity: { Effect: 'Allow', NotAction: 's3:Put*', Resource: '*' } },
      false,
    ],
    [
      'NotResource leaves out what it names',
      { identity: { Effect: 'Allow', Action: '*', NotResource: 'arn:aws:s3:::data/t/one/*' } },
      false,
    ],
    ['a session policy takes away', { session: { ...ALLOW_ALL, Resource: 'arn:aws:s3:::data/t/two/*' } }, false],
    [
      'a session policy gives nothing',
      { identity: { ...ALLOW_ALL, Action: 's3:GetObject' }, session: ALLOW_ALL },
      false,
    ],
    [
      'a bucket policy gives to the role',
      { identity: { ...ALLOW_ALL, Action: 's3:GetObject' }, bucket: { ...ALLOW_ALL, Principal: { AWS: ROLE } } },
      true,
    ],
    [
      'a bucket policy for the role stays within the session policy',
      { session: { ...ALLOW_ALL, Action: 's3:GetObject' }, bucket: { ...ALLOW_ALL, Principal: { AWS: ROLE } } },
      false,
    ],
    [
      'a bucket policy for the session itself does not',
      { session: { ...ALLOW_ALL, Action: 's3:GetObject' }, bucket: { ...ALLOW_ALL, Principal: { AWS: SESSION } } },
      true,
    ],
    [
      'a bucket policy for another role does not matter',
      { identity: { ...ALLOW_ALL, Action: 's3:GetObject' }, bucket: { ...ALLOW_ALL, Principal: { AWS: `${ROLE}2` } } },
      false,
    ],
    ['a deny of the bucket wins', { bucket: { ...ALLOW_ALL, Effect: 'Deny', Principal: '*' } }, false],
    [
      'a deny of the role wins over the bucket',
      { identity: { ...ALLOW_ALL, Effect: 'Deny' }, bucket: { ...ALLOW_ALL, Principal: '*' } },
      false,
    ],
    [
      'a deny of the session wins over the bucket',
      { session: { ...ALLOW_ALL, Effect: 'Deny' }, bucket: { ...ALLOW_ALL, Principal: { AWS: SESSION } } },
      false,
    ],
  ])('%s', (_name, input, expected) => {
    expect(isAllowed(input)).toBe(expected);
  });
});

describe('conditions', () => {
  const KEYS = {
    's3:if-none-match': ['*'],
    'aws:sourceip': ['10.1.2.3'],
    'aws:securetransport': ['true'],
    's3:object-lock-remaining-retention-days': ['35'],
    'aws:principalarn': [ROLE],
    's3:prefix': ['t/one/u/'],
    'aws:currenttime': ['2026-11-22T10:00:00.000Z'],
    'aws:userid': ['AROAX:job'],
    'token:aud': ['a', 'b'],
  };
  test.each<[PolicyStatementDocument['Condition'], boolean]>([
    [{ StringEquals: { 's3:prefix': 't/one/u/' } }, true],
    [{ StringEquals: { 's3:prefix': ['x', 't/one/u/'] } }, true],
    [{ StringEquals: { 's3:prefix': 't/*' } }, false],
    [{ StringEquals: { 'S3:Prefix': 't/one/u/' } }, true],
    [{ StringLike: { 's3:prefix': 't/*' } }, true],
    [{ StringLike: { 's3:prefix': 't/?ne/u/' } }, true],
    [{ StringNotEquals: { 's3:prefix': ['x', 't/one/u/'] } }, false],
    [{ StringNotLike: { 's3:prefix': 'u/*' } }, true],
    [{ StringEquals: { 's3:delimiter': '/' } }, false],
    [{ StringNotEquals: { 's3:delimiter': '/' } }, true],
    [{ StringEqualsIfExists: { 's3:delimiter': '/' } }, true],
    [{ Null: { 's3:if-none-match': 'false' } }, true],
    [{ Null: { 's3:if-none-match': true } }, false],
    [{ Null: { 's3:if-match': 'true' } }, true],
    [{ Bool: { 'aws:SecureTransport': 'false' } }, false],
    [{ Bool: { 'aws:SecureTransport': true } }, true],
    [{ NumericGreaterThan: { 's3:object-lock-remaining-retention-days': '35' } }, false],
    [{ NumericGreaterThanEquals: { 's3:object-lock-remaining-retention-days': 35 } }, true],
    [{ NumericLessThan: { 's3:object-lock-remaining-retention-days': '100' } }, true],
    [{ NumericGreaterThan: { 's3:max-keys': '1' } }, false],
    [{ ArnEquals: { 'aws:PrincipalArn': 'arn:aws:iam::111122223333:role/*' } }, true],
    [{ ArnNotEquals: { 'aws:PrincipalArn': ROLE } }, false],
    [{ ArnLike: { 'aws:PrincipalArn': 'arn:aws:iam::*' } }, false],
    [{ IpAddress: { 'aws:SourceIp': '10.1.0.0/16' } }, true],
    [{ NotIpAddress: { 'aws:SourceIp': ['10.1.0.0/16', '192.168.0.0/16'] } }, false],
    [{ IpAddress: { 'aws:SourceIp': '2001:db8::/32' } }, false],
    [{ DateLessThan: { 'aws:CurrentTime': '2026-11-22T10:00:01Z' } }, true],
    [{ DateGreaterThan: { 'aws:CurrentTime': '2026-12-01T00:00:00Z' } }, false],
    [{ 'ForAnyValue:StringEquals': { 'token:aud': 'b' } }, true],
    [{ 'ForAllValues:StringEquals': { 'token:aud': 'b' } }, false],
    [{ 'ForAllValues:StringEquals': { 'token:none': 'b' } }, true],
    [{ StringEquals: { 's3:prefix': 't/one/u/' }, Bool: { 'aws:SecureTransport': 'false' } }, false],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
    [{ StringEquals: { 'aws:userid': '${aws:userid}' } }, true],
  ])('%j is %p', (condition, expected) => {
    expect(isAllowed({ identity: when(condition), keys: KEYS })).toBe(expected);
  });

  test('a variable that has a wildcard as its value matches only itself', () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a policy variable
    const identity = { ...ALLOW_ALL, Resource: 'arn:aws:s3:::data/t/${aws:username}/*' };
    expect(isAllowed({ identity, keys: { 'aws:username': ['one'] } })).toBe(true);
    expect(isAllowed({ identity, keys: { 'aws:username': ['*'] } })).toBe(false);
    expect(isAllowed({ identity })).toBe(false);
  });
});

describe('a policy that is not understood is refused', () => {
  test.each<[string, unknown]>([
    ['no statement', { Version: '2012-10-17' }],
    ['an unknown version', { Version: '2020-01-01', Statement: ALLOW_ALL }],
    ['an unknown effect', { Statement: { ...ALLOW_ALL, Effect: 'Maybe' } }],
    ['an unknown element', { Statement: { ...ALLOW_ALL, NotPrincipal: '*' } }],
    ['an unknown operator', { Statement: { ...ALLOW_ALL, Condition: { StringMatches: { a: 'b' } } } }],
    ['a number that is none', { Statement: { ...ALLOW_ALL, Condition: { NumericEquals: { a: 'many' } } } }],
    ['a network that is none', { Statement: { ...ALLOW_ALL, Condition: { IpAddress: { a: '10.0.0.0/99' } } } }],
    ['no action', { Statement: { Effect: 'Allow', Resource: '*' } }],
    ['an action without a service', { Statement: { ...ALLOW_ALL, Action: 'PutObject' } }],
    ['a resource that is no ARN', { Statement: { ...ALLOW_ALL, Resource: 'data/*' } }],
    ['a principal in an identity policy', { Statement: { ...ALLOW_ALL, Principal: '*' } }],
  ])('%s', (_name, document) => {
    expect(() => parsePolicy(document as PolicyDocument, 'identity')).toThrow(PolicyError);
  });
});
