/**
 * `node dist/bench/scale/main.js [--json] [--vms N] [--pib N] [--regions N] [--subscriptions N] [--changed 0.02] [--hours 8]`: the
 * night of a large estate, what is nearest to its limit, and what it costs.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { readMeasured } from './measured';
import { largeEstate, type Night, night, type Scenario } from './model';
import { type SimulatedNight, simulateRegion } from './simulate';

const ROOT = path.join(__dirname, '..', '..', '..');
const GIB = 1024 ** 3;
const PIB = 1024 ** 5;

function main(): void {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      vms: { type: 'string', default: String(largeEstate.vms) },
      pib: { type: 'string', default: '1' },
      regions: { type: 'string', default: String(largeEstate.regions) },
      subscriptions: { type: 'string', default: String(largeEstate.subscriptions) },
      changed: { type: 'string', default: String(largeEstate.changed) },
      hours: { type: 'string', default: String(largeEstate.windowHours) },
    },
  });
  const scenario: Scenario = {
    ...largeEstate,
    vms: positive('vms', values.vms),
    bytes: positive('pib', values.pib) * PIB,
    regions: positive('regions', values.regions),
    subscriptions: positive('subscriptions', values.subscriptions),
    changed: positive('changed', values.changed),
    windowHours: positive('hours', values.hours),
  };
  const { incremental } = readMeasured(ROOT);
  const paper = night(scenario, incremental);
  const proxies = paper.proxiesPerRegion * 2;
  const spreads = [0, 600, 3600, scenario.windowHours * 1800];
  const simulated = spreads.map(
    (seconds) => [seconds, simulateRegion(scenario, paper, incremental, seconds, proxies)] as const,
  );
  process.stdout.write(
    values.json ? `${JSON.stringify({ scenario, paper, simulated })}\n` : describe(scenario, paper, simulated, proxies),
  );
}

function describe(
  scenario: Scenario,
  paper: Night,
  simulated: ReadonlyArray<readonly [number, SimulatedNight]>,
  proxies: number,
): string {
  const gib = (bytes: number): string => `${Math.round(bytes / GIB).toLocaleString('en')} GiB`;
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  const total = Object.values(paper.costs).reduce((sum, cost) => sum + cost, 0);
  const [first] = paper.loads;
  return `${[
    `${scenario.vms.toLocaleString('en')} VMs, ${gib(scenario.bytes)}, ${scenario.regions} regions, ${scenario.subscriptions} subscriptions, ${scenario.changed * 100} % changed, ${scenario.windowHours} h:`,
    `${paper.windows.toLocaleString('en')} windows, ${gib(paper.readBytes)} read, ${gib(paper.storedBytes)} stored, ${paper.proxiesPerRegion} proxies a region.`,
    '',
    row(['what', 'needed', 'limit', 'used', 'way out']),
    row(['---', '---', '---', '---', '---']),
    ...paper.loads.map(({ what, needed, limit, unit, wayOut }) =>
      row([
        what,
        `${figure(needed)}${unit}`,
        `${figure(limit)}${unit}`,
        `${((100 * needed) / limit).toFixed(1)} %`,
        wayOut,
      ]),
    ),
    '',
    `First to break: ${first?.what} (${(first ? first.limit / first.needed : 0).toFixed(1)} times this estate).`,
    '',
    `One region, second by second, with ${proxies} proxies:`,
    row(['starts spread over', 'last job ends after', 'longest wait for ARM', 'jobs waiting for a proxy']),
    row(['---', '---', '---', '---']),
    ...simulated.map(([seconds, result]) =>
      row([time(seconds), time(result.lastEndSeconds), time(result.waitedForArmSecondsMax), result.queueMax]),
    ),
    '',
    row(['cost of a night', 'USD']),
    row(['---', '---']),
    ...Object.entries(paper.costs).map(([what, cost]) => row([what, cost.toFixed(2)])),
    row(['together', total.toFixed(2)]),
  ].join('\n')}\n`;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) {
    process.stderr.write(`scale: --${name} takes a number above zero\n`);
    process.exit(2);
  }
  return value;
}

const figure = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(2);

const time = (seconds: number): string =>
  seconds < 120
    ? `${seconds} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;

main();
