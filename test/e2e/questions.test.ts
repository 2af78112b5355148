/**
 * Asks the open questions: of Azure when the environment names a subscription (`test/conformance/azure-target.ts` says how), and
 * writes the answers with their date to the file in E2E_ANSWERS; else of the simulator, so that the questions themselves are
 * known to work and to clean up, and nothing is written.
 */
import { writeFileSync } from 'node:fs';
import { type AzureTarget, openAzureTarget } from '../conformance/azure-target';
import { BenchDisks } from './bench-disks';
import { questions } from './questions';

const { E2E_ANSWERS: file, CONFORMANCE_AZURE_SUBSCRIPTION: live } = process.env;
const answers = new Map<string, string>();
let target: AzureTarget;
let bench: BenchDisks;

beforeAll(async () => {
  target = await openAzureTarget();
  bench = new BenchDisks(target);
}, 60_000);

afterEach(async () => expect(await bench.removeAll()).toEqual([]), 600_000);

test.each(questions)(
  '$id: $asks',
  async ({ id, ask }) => {
    const answer = await ask(bench);
    expect(answer).not.toBe('');
    expect(answer).not.toMatch(/sig=|subscriptions\/|eyJ/);
    answers.set(id, answer);
  },
  1_800_000,
);

afterAll(async () => {
  if (live !== undefined && file !== undefined) writeFileSync(file, page());
  await target.close();
});

function page(): string {
  const rows = questions.map(({ id, asks, matters }) => `| ${asks} | ${answers.get(id) ?? 'no answer'} | ${matters} |`);
  const head = [`# Answers of Azure, ${new Date().toISOString().slice(0, 10)}, ${target.location}`, ''];
  return [...head, '| question | answer | why it matters |', '|---|---|---|', ...rows, ''].join('\n');
}
