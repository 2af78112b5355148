/** `node dist/infra/aws/main.js`: writes the generated files into the checkout. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { generatedFiles } from './generated';

const root = path.resolve(__dirname, '..', '..', '..', 'infra', 'aws');
for (const [file, text] of generatedFiles()) {
  const target = path.join(root, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
  process.stdout.write(`${path.relative(process.cwd(), target)}\n`);
}
