/**
 * `node dist/shared/app/key-main.js <command>`, with the settings of the function app in the environment. One JSON line on
 * stdout; log lines on stderr. Exit codes: 0 done, 1 failed (what the line says), 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { jsonLogger } from '../base/logger';
import { AppError } from '../model/errors';
import { loadSettings } from './config';
import { createKeyCommands } from './key-commands';

const USAGE = `usage: key-main <command>
  status                                what wraps the root key, and that the settings open it
  create                                make the root key of a new tenant
  rewrap [--key-file F] [--key-vault-key ID] [--escrow-key F]
                                        wrap it anew: rotated key, other key, added escrow
  rotate-pack-key                       next generation of the key that wraps the keys of new packs
  recover --escrow-private-key F        open with the escrow key, wrap under the keys of the settings
  erase --confirm TENANT --eraser-role ARN [--no-purge]
                                        end the tenant: destroy every wrap in reach
`;

const options = {
  'key-file': { type: 'string' },
  'key-vault-key': { type: 'string' },
  'escrow-key': { type: 'string' },
  'escrow-private-key': { type: 'string' },
  'eraser-role': { type: 'string' },
  confirm: { type: 'string' },
  'no-purge': { type: 'boolean', default: false },
} as const;

class UsageError extends Error {}

async function main(): Promise<unknown> {
  const { positionals, values } = parse();
  const [command, ...more] = positionals;
  if (command === undefined || more.length > 0) throw new UsageError();
  const needed = (name: 'escrow-private-key' | 'eraser-role' | 'confirm'): string => {
    const value = values[name];
    if (value === undefined) throw new UsageError();
    return value;
  };
  if (command === 'new-root-key') {
    throw new AppError(
      'request.invalid',
      'a new root key is a new repository: give the settings a new tenant label, and let the old one expire',
    );
  }
  const commands = createKeyCommands(
    loadSettings(),
    jsonLogger((line) => process.stderr.write(line), Date.now),
  );
  try {
    switch (command) {
      case 'status':
        return await commands.status();
      case 'create':
        return await commands.create();
      case 'rewrap':
        return await commands.rewrap({
          keyFile: values['key-file'],
          keyVaultKey: values['key-vault-key'],
          escrowKey: values['escrow-key'],
        });
      case 'rotate-pack-key':
        return await commands.rotatePackKey();
      case 'recover':
        return await commands.recover(needed('escrow-private-key'));
      case 'erase':
        return await commands.erase({
          confirm: needed('confirm'),
          eraserRoleArn: needed('eraser-role'),
          purge: !values['no-purge'],
        });
      default:
        throw new UsageError();
    }
  } finally {
    commands.close();
  }
}

function parse() {
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch {
    throw new UsageError();
  }
}

main().then(
  (result) => {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    // An erasure that left a way in has done its steps, and has not reached its end.
    process.exitCode = typeof result === 'object' && result !== null && 'erased' in result && !result.erased ? 1 : 0;
  },
  (error: unknown) => {
    if (error instanceof UsageError) {
      process.stderr.write(USAGE);
      process.exitCode = 2;
      return;
    }
    const known = error instanceof AppError;
    const message = known ? error.message : 'something failed that should not have';
    process.stdout.write(`${JSON.stringify({ error: known ? error.code : 'internal', message })}\n`);
    process.exitCode = 1;
  },
);
