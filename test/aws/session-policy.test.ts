import { sessionNameOf, sessionPolicy } from '../../shared/aws/session-policy';

const scope = {
  tenant: 'acme',
  sessionId: 'job-1',
  dataBucket: 'data-bucket',
  controlBucket: 'control-bucket',
  partition: 'aws',
} as const;

interface Statement {
  readonly Action: string | string[];
  readonly Resource: string[];
}

const statements = (role: 'writer' | 'reader'): Statement[] => JSON.parse(sessionPolicy({ ...scope, role })).Statement;
const resourcesOf = (role: 'writer' | 'reader', action: string): string[] =>
  statements(role).flatMap(({ Action, Resource }) => ([Action].flat().includes(action) ? Resource : []));

describe('session policy', () => {
  test('a writer writes below its tenant and reads metadata, but no packs', () => {
    const data = 'arn:aws:s3:::data-bucket/t/acme';
    const control = 'arn:aws:s3:::control-bucket/t/acme';
    expect(resourcesOf('writer', 's3:PutObject')).toEqual([
      `${data}/?/*`,
      `${control}/k/*`,
      `${control}/s/job-1/*`,
      `${control}/gc/state`,
    ]);
    expect(resourcesOf('writer', 's3:GetObject')).toEqual([
      `${data}/k/*`,
      `${data}/x/*`,
      `${data}/m/*`,
      `${data}/p/*`,
      `${control}/*`,
    ]);
  });

  test('a reader writes nothing but its own register, and nobody may delete', () => {
    const control = 'arn:aws:s3:::control-bucket/t/acme';
    expect(resourcesOf('reader', 's3:PutObject')).toEqual([`${control}/s/job-1/*`, `${control}/gc/state`]);
    for (const role of ['reader', 'writer'] as const) {
      expect(sessionPolicy({ ...scope, role })).not.toMatch(/Delete|s3:\*|"\*"/);
    }
  });

  test('the longest names still fit what STS takes', () => {
    const longest = {
      ...scope,
      tenant: 't'.repeat(40),
      sessionId: 's'.repeat(80),
      dataBucket: 'd'.repeat(63),
      controlBucket: 'c'.repeat(63),
      partition: 'aws-us-gov',
    };
    for (const role of ['reader', 'writer'] as const) {
      expect(sessionPolicy({ ...longest, role }).length).toBeLessThanOrEqual(2048);
    }
  });

  test.each(['*', 'a*', 'a/b', '$aws', ''])('%j is no part of a policy', (part) => {
    expect(() => sessionPolicy({ ...scope, role: 'writer', tenant: part })).toThrow('safe characters');
    expect(() => sessionPolicy({ ...scope, role: 'writer', sessionId: part })).toThrow('safe characters');
  });

  test('session names are what STS accepts', () => {
    expect(sessionNameOf('job/with:odd characters')).toBe('job-with-odd-characters');
    expect(sessionNameOf('x'.repeat(80))).toHaveLength(64);
    expect(sessionNameOf('x')).toHaveLength(2);
  });
});
