#!/usr/bin/env node
/**
 * `blockferry`, or `node dist/cli/main.js` from a checkout. Looks at its Node before anything else is loaded: an old one fails
 * at some missing built-in, with a stack that tells a person nothing.
 */
const NEEDED = [22, 15] as const;
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1])) {
  void (require('./process') as typeof import('./process')).runProcess();
} else {
  process.stderr.write(`blockferry: needs Node ${NEEDED.join('.')} or newer, this is ${process.versions.node}\n`);
  process.exitCode = 1;
}
