/** What the bench was asked for. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { BenchError } from './kit/shell';

export interface Options {
  readonly quick: boolean;
  /** One JSON object is the last line. */
  readonly json: boolean;
  readonly rounds: number;
  /** Images and repositories lie below it; what is made once stays. */
  readonly work: string;
  /** Where `performance.md` and its picture go; nowhere in a quick run unless asked for. */
  readonly docs: string | undefined;
}

const USAGE = `usage: npm run bench -- [--quick] [--json] [--rounds N] [--work FOLDER] [--docs FOLDER]
  --quick   smaller images, within 10 minutes on two cores; writes no document unless --docs is given
  --json    one JSON object with the ratios as the last line`;

export function parseOptions(args: readonly string[], root: string): Options {
  const read = (): ReturnType<typeof parse> => {
    try {
      return parse(args);
    } catch (error) {
      throw new BenchError(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    }
  };
  const { values } = read();
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 5));
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 50) throw new BenchError(`--rounds: 1 to 50\n${USAGE}`);
  return {
    quick: values.quick,
    json: values.json,
    rounds,
    work: path.resolve(values.work ?? path.join(root, '.blockferry', 'bench')),
    docs: values.docs ?? (values.quick ? undefined : path.join(root, 'docs')),
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      work: { type: 'string' },
      docs: { type: 'string' },
    },
  });
}
