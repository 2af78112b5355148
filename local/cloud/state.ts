/** What a simulator remembers of itself between two starts: ports, certificate, clock shift, number of starts. */
import { randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { z } from 'zod';

const DAY_MS = 86_400_000;

const stateSchema = z.object({
  ports: z.record(z.string(), z.number()).default({}),
  clockShiftMs: z.number().default(0),
  startCount: z.number().default(0),
});

export type SelfState = z.infer<typeof stateSchema>;

export class SelfStateFile {
  private readonly file: string;
  private state: SelfState;

  constructor(directory: string) {
    mkdirSync(directory, { recursive: true });
    this.file = join(directory, 'cloud.json');
    this.state = stateSchema.parse(existsSync(this.file) ? JSON.parse(readFileSync(this.file, 'utf8')) : {});
  }

  get(): Readonly<SelfState> {
    return this.state;
  }

  update(change: Partial<SelfState>): void {
    this.state = { ...this.state, ...change };
    writeWhole(this.file, JSON.stringify(this.state));
  }
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
  /** For NODE_EXTRA_CA_CERTS. */
  readonly caFile: string;
}

/** A self-signed certificate for localhost and 127.0.0.1; kept, and renewed a month before its end. */
export async function loadCertificate(directory: string): Promise<Certificate> {
  const keyFile = join(directory, 'ca-key.pem');
  const caFile = join(directory, 'ca.pem');
  if (!isUsable(keyFile, caFile)) {
    // A name of its own: OpenSSL confuses trusted certificates of one name, and tests trust several in one process.
    const name = `Blockferry cloud simulator ${randomBytes(4).toString('hex')}`;
    const pems = await generate([{ name: 'commonName', value: name }], {
      keySize: 2048,
      algorithm: 'sha256',
      notAfterDate: new Date(Date.now() + 825 * DAY_MS),
      extensions: [
        { name: 'basicConstraints', cA: true },
        { name: 'keyUsage', digitalSignature: true, keyEncipherment: true, keyCertSign: true },
        { name: 'extKeyUsage', serverAuth: true },
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: 'localhost' },
            { type: 7, ip: '127.0.0.1' },
          ],
        },
      ],
    });
    writeWhole(keyFile, pems.private);
    writeWhole(caFile, pems.cert);
  }
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(caFile, 'utf8'), caFile };
}

function isUsable(keyFile: string, caFile: string): boolean {
  if (!existsSync(keyFile) || !existsSync(caFile)) return false;
  const certificate = new X509Certificate(readFileSync(caFile));
  return certificate.validToDate.getTime() > Date.now() + 30 * DAY_MS;
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
