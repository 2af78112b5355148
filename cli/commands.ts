/** The table that is the command line, in the order of help and docs/cli.md. What is not in it does not exist. */
import type { Command } from './command';
import { docsCommand } from './commands/docs';
import { loginCommand } from './commands/login';
import { schemaCommand } from './commands/schema';
import { versionCommand } from './commands/version';
import { vmsCommand } from './commands/vms';

export const commands: readonly Command[] = [vmsCommand, loginCommand, schemaCommand, versionCommand, docsCommand];
