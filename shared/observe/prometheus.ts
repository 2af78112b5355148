/** The Prometheus text format, version 0.0.4. Pure. Names are ours; label values may be anything and are escaped. */
import { assert } from '../base/assert';

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

export const prometheusType = 'text/plain; version=0.0.4; charset=utf-8';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

export function prometheusText(families: readonly Family[]): string {
  return families.map(family).join('');
}

function family({ name, type, help, samples }: Family): string {
  assert(NAME.test(name), `${name} is no name of a metric`);
  const head = `# HELP ${name} ${escaped(help, false)}\n# TYPE ${name} ${type}\n`;
  return head + samples.map(({ labels = {}, value }) => `${name}${labelsOf(labels)} ${numberOf(value)}\n`).join('');
}

function labelsOf(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    assert(LABEL.test(name), `${name} is no name of a label`);
    return `${name}="${escaped(value, true)}"`;
  });
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

const escaped = (text: string, quoted: boolean): string => {
  const plain = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return quoted ? plain.replaceAll('"', '\\"') : plain;
};

function numberOf(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
