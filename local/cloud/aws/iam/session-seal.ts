/**
 * Session tokens hold their session, sealed with AES-256-GCM: they need no table, and survive a restart because
 * the key is in the state directory.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface SealedSession {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly roleArn: string;
  readonly sessionName: string;
  readonly providerArn: string;
  /** Epoch milliseconds of simulated time. */
  readonly expiresAt: number;
  readonly policyText?: string;
}

export interface SessionSeal {
  close(session: SealedSession): string;
  /** Undefined for a token that this seal did not make. */
  open(token: string): SealedSession | undefined;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** Makes the key when the file does not exist yet. */
export function openSessionSeal(keyFile: string): SessionSeal {
  const key = loadKey(keyFile);
  return {
    close(session) {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const sealed = Buffer.concat([cipher.update(JSON.stringify(session), 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64');
    },
    open(token) {
      const bytes = Buffer.from(token, 'base64');
      if (bytes.length <= IV_BYTES + TAG_BYTES) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
      decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
      try {
        const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]);
        const session: SealedSession = JSON.parse(text.toString('utf8'));
        return session;
      } catch {
        return undefined; // not sealed with this key, or altered
      }
    },
  };
}

function loadKey(file: string): Buffer {
  if (existsSync(file)) return readFileSync(file);
  const key = randomBytes(32);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, key, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return key;
}
