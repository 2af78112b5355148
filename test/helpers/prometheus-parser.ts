/**
 * A strict reader of the Prometheus text format, written from its specification and not from our writer: character by
 * character, so that a name that broke out of its quotes would be seen. promtool judges the same text where it is installed.
 */
export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function parsePrometheus(text: string): ParsedSample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const types = new Map<string, string>();
  const samples: ParsedSample[] = [];
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.*)$/.exec(line);
    if (comment?.[1] === 'TYPE') {
      if (types.has(comment[2] ?? '')) throw new Error(`two types of ${comment[2]}`);
      types.set(comment[2] ?? '', comment[3] ?? '');
    }
    if (comment) continue;
    const sample = parseSample(line);
    if (!types.has(sample.name)) throw new Error(`${sample.name} has no type above it`);
    samples.push(sample);
  }
  const keys = samples.map(({ name, labels }) => JSON.stringify([name, Object.entries(labels).sort()]));
  if (new Set(keys).size !== keys.length) throw new Error('a sample is there twice');
  return samples;
}

function parseSample(line: string): ParsedSample {
  let at = 0;
  const take = (pattern: RegExp): string => {
    const found = new RegExp(pattern.source, 'y');
    found.lastIndex = at;
    const match = found.exec(line);
    if (!match) throw new Error(`at ${at}: ${JSON.stringify(line)}`);
    at = found.lastIndex;
    return match[0];
  };
  const name = take(/[a-zA-Z_:][\w:]*/);
  const labels: Record<string, string> = {};
  if (line[at] === '{') {
    at += 1;
    while (line[at] !== '}') {
      const label = take(/[a-zA-Z_]\w*/);
      take(/="/);
      let value = '';
      while (line[at] !== '"') {
        const character = take(/\\[\\"n]|[^\\"\n]/);
        value += character === '\\n' ? '\n' : character.length === 2 ? character[1] : character;
      }
      at += 1;
      labels[label] = value;
      if (line[at] === ',') at += 1;
    }
    at += 1;
  }
  take(/ +/);
  const value = take(/[-+]?(\d+(\.\d+)?(e[-+]?\d+)?|Inf)|NaN/);
  if (at !== line.length) throw new Error(`after the value: ${JSON.stringify(line.slice(at))}`);
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}
