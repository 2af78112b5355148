import { createHash, X509Certificate } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { crc32 } from 'node:zlib';
import { generate } from 'selfsigned';
import { type ClosableStoreAccess, createStoreAccess } from '../../shared/aws/store-access';

const STS_ANSWER = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>ASIATEST</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;

describe('S3 over TLS', () => {
  let server: Server;
  let access: ClosableStoreAccess;
  const puts: { readonly headers: IncomingHttpHeaders; readonly bytes: Buffer }[] = [];

  beforeAll(async () => {
    const certificate = await generate([{ name: 'commonName', value: 'localhost' }], {
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
    });
    expect(new X509Certificate(certificate.cert).subjectAltName).toContain('localhost');
    tls.setDefaultCACertificates([...tls.getCACertificates('default'), certificate.cert]);
    server = createServer({ key: certificate.private, cert: certificate.cert }, async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      if (request.method === 'POST') {
        response.setHeader('content-type', 'text/xml').end(STS_ANSWER);
        return;
      }
      puts.push({ headers: request.headers, bytes: Buffer.concat(chunks) });
      response.setHeader('etag', '"etag"').end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    access = createStoreAccess({
      region: 'eu-central-1',
      endpoint: `https://localhost:${(server.address() as AddressInfo).port}`,
      webIdentityToken: () => Promise.resolve('jwt'),
      roles: { writer: 'arn:aws:iam::111122223333:role/writer', reader: 'arn:aws:iam::111122223333:role/reader' },
      dataBucket: 'data',
      controlBucket: 'control',
    });
  });
  afterAll(async () => {
    access.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('a pack is sent once, plain, with a CRC32 that S3 verifies and without a second hash', async () => {
    const pack = Buffer.alloc(100_000, 'pack');
    const { data } = access.open({ role: 'writer', tenant: 'acme', sessionId: 'job-1' });
    expect(await data.putOnce('t/acme/u/00/pack', pack)).toEqual({ outcome: 'created', etag: '"etag"' });
    const [put] = puts;
    expect(puts).toHaveLength(1);
    expect(put?.bytes.equals(pack)).toBe(true);
    expect(put?.headers).toMatchObject({ 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'if-none-match': '*' });
    const sum = Buffer.alloc(4);
    sum.writeUInt32BE(crc32(pack));
    expect(put?.headers['x-amz-checksum-crc32']).toBe(sum.toString('base64'));
    expect(put?.headers['transfer-encoding']).toBeUndefined();
    expect(JSON.stringify(put?.headers)).not.toContain(createHash('sha256').update(pack).digest('hex'));
  });
});
