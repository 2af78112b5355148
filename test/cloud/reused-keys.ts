/** To make RSA keys takes longer than most tests: those of the first simulator serve all of a test file. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setDefaultCACertificates } from 'node:tls';

const KEY_FILES = ['ca.pem', 'ca-key.pem', 'identity/signing-key.pem'];
const keys = new Map<string, Buffer>();

/** Call before a simulator starts on a new state directory. A state that has keys keeps them. */
export function reuseKeys(stateDirectory: string): void {
  mkdirSync(join(stateDirectory, 'identity'), { recursive: true });
  for (const [name, bytes] of keys) {
    const file = join(stateDirectory, name);
    if (!existsSync(file)) writeFileSync(file, bytes);
  }
}

/** Call after it has started. This process trusts the simulator's certificate from then on, and no other. */
export function keepKeys(stateDirectory: string): void {
  if (keys.size > 0) return;
  for (const name of KEY_FILES) keys.set(name, readFileSync(join(stateDirectory, name)));
  // Nothing else is talked to, and to parse the system's certificates takes a third of a second.
  setDefaultCACertificates([String(keys.get('ca.pem'))]);
}
