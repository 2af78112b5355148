/**
 * `npm run drill -- --kills N`: kill -9 of the data proxy at its numbered I/O points, over a full backup and three incrementals
 * of one VM after the other, until N kills have happened. The points are dealt in an order that the seed decides, so that
 * every one of them has its turn before any has a second one. Each restore point is restored and compared with its disk. At the
 * end two cycles of the collector run, and each point is read again.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MIB } from '../../shared/model/limits';
import { seededNumbers } from '../kit/random';
import { type BackupReport, Campaign, Mover, machineSeed, type Phase, phases } from './campaign';
import { type DrillOptions, parseDrillOptions } from './options';
import { collectOrphans, type Orphans, sampleVm } from './orphans';
import type { Strike } from './proxy';
import { openWorld } from './world';

const STRIKES_A_BACKUP = 4;
/** Points behind the last one that the undisturbed run had: a resumed proxy asks a little more. */
const POINTS_BEHIND = 4;

interface Tally {
  strikes: number;
  /** Different points among them. */
  readonly struckAt: Set<string>;
  missed: number;
  backups: number;
  restores: number;
  identical: number;
  readAgainBytesMax: number;
  orphans: Orphans | undefined;
  readonly problems: string[];
}

async function main(): Promise<boolean> {
  const options = parseDrillOptions(process.argv.slice(2));
  const say = (line: string): void => void process.stderr.write(`drill: ${line}\n`);
  const folder = mkdtempSync(path.join(options.work ?? tmpdir(), 'blockferry-drill-'));
  mkdirSync(path.join(folder, 'state'));
  try {
    const tally = await drill(options, folder, say);
    const { readAgainBytesMax, struckAt, ...counts } = tally;
    const summary = {
      signal: options.signal,
      ...counts,
      differentPoints: struckAt.size,
      readAgainMibMax: Math.ceil(readAgainBytesMax / MIB),
    };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
    return tally.problems.length === 0 && tally.strikes >= options.strikes;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function drill(options: DrillOptions, folder: string, say: (line: string) => void): Promise<Tally> {
  // More than are needed: a strike whose point is not reached is dealt again.
  const machines = 2 + Math.ceil((options.strikes * 1.5) / (phases.length * STRIKES_A_BACKUP));
  const names = Array.from({ length: machines }, (_, index) => `vm${index}`);
  say(`${machines} VMs with a disk of ${options.diskMib} MiB each`);
  const vms = names.map((name) => machineSeed(folder, name, options.diskMib));
  const mover = new Mover();
  const world = await openWorld({
    state: path.join(folder, 'state'),
    vms,
    windowBytes: options.windowMib * MIB,
    moveBackup: (here, plan) => mover.move(here, plan),
  });
  const tally: Tally = {
    strikes: 0,
    struckAt: new Set(),
    missed: 0,
    backups: 0,
    restores: 0,
    identical: 0,
    readAgainBytesMax: 0,
    orphans: undefined,
    problems: [],
  };
  const campaignOf = (name: string): Campaign => new Campaign(world, folder, name, options.diskMib);
  try {
    const baseline = new Map<Phase, BackupReport>();
    const [first = '', ...others] = names;
    const undisturbed = campaignOf(first);
    for (const phase of phases) baseline.set(phase, await undisturbed.backup(phase, [], mover));
    tally.problems.push(...(await undisturbed.finish()), ...[...baseline.values()].flatMap((one) => one.problems));
    const points = [...baseline].map(
      ([phase, { points: count, readBytes }]) => `${phase} ${count}, ${readBytes} bytes`,
    );
    say(`undisturbed, I/O points and bytes read: ${points.join('; ')}`);
    const decks = new Map(phases.map((phase) => [phase, new Deck(options, baseline.get(phase)?.points ?? 1, phase)]));
    let machinesUsed = 0;
    for (const name of others) {
      if (tally.strikes >= options.strikes || tally.problems.length > 0) break;
      machinesUsed++;
      await oneMachine(campaignOf(name), { mover, decks, baseline, tally, wanted: options.strikes });
      say(`${name}: ${tally.strikes} strikes, ${tally.identical} of ${tally.restores} restores identical`);
    }
    const keys = [first, ...others.slice(0, machinesUsed)].map((name) => campaignOf(name).vmKey);
    tally.orphans = await collectOrphans(world, keys.length);
    const { unitsAfter, snapshots } = tally.orphans;
    if (unitsAfter > 0) tally.problems.push(`${unitsAfter} units of nobody are left after two cycles of the collector`);
    if (snapshots !== 0) tally.problems.push(`${snapshots} snapshots beyond one a VM`);
    for (const key of keys) tally.problems.push(...(await sampleVm(world, key, options.seed)));
    for (const problem of tally.problems) say(problem);
    return tally;
  } finally {
    tally.problems.push(...(await world.close()));
  }
}

interface Run {
  readonly mover: Mover;
  readonly decks: ReadonlyMap<Phase, Deck>;
  readonly baseline: ReadonlyMap<Phase, BackupReport>;
  readonly tally: Tally;
  readonly wanted: number;
}

async function oneMachine(campaign: Campaign, { mover, decks, baseline, tally, wanted }: Run): Promise<void> {
  for (const phase of phases) {
    const left = Math.min(STRIKES_A_BACKUP, wanted - tally.strikes);
    const strikes = Array.from({ length: Math.max(0, left) }, () => decks.get(phase)?.deal()).filter((one) => !!one);
    const report = await campaign.backup(phase, strikes, mover);
    decks.get(phase)?.putBack(report.missed);
    tally.strikes += report.struck.length;
    for (const { point } of report.struck) tally.struckAt.add(`${phase}/${point}`);
    tally.missed += report.missed.length;
    tally.backups += 1;
    const readAgain = report.readBytes - (baseline.get(phase)?.readBytes ?? 0);
    if (report.struck.length > 0)
      tally.readAgainBytesMax = Math.max(tally.readAgainBytesMax, readAgain / report.struck.length);
    const said = report.struck.map(({ point }) => point).join(', ');
    tally.problems.push(
      ...report.problems.map((problem) => `${campaign.name}, ${phase}, struck at ${said}: ${problem}`),
    );
    if (report.problems.length > 0) return;
  }
  const problems = await campaign.finish();
  tally.restores += phases.length;
  tally.identical += phases.length - problems.length;
  tally.problems.push(...problems);
}

/** All points of a phase, shuffled; begun anew when all have been dealt. */
class Deck {
  private cards: number[] = [];
  private readonly below: (limit: number) => number;

  constructor(
    private readonly options: DrillOptions,
    private readonly points: number,
    phase: Phase,
  ) {
    this.below = seededNumbers(`${options.seed}/${phase}`);
  }

  deal(): Strike {
    if (this.cards.length === 0) {
      this.cards = Array.from({ length: this.points + POINTS_BEHIND }, (_, index) => index + 1);
      for (let at = this.cards.length - 1; at > 0; at--) {
        const other = this.below(at + 1);
        [this.cards[at], this.cards[other]] = [this.cards[other] ?? 1, this.cards[at] ?? 1];
      }
    }
    return { signal: this.options.signal, point: this.cards.pop() ?? 1 };
  }

  /** A missed point comes again, as the first of its backup. */
  putBack(missed: readonly Strike[]): void {
    for (const { point } of missed) if (point <= this.points) this.cards.unshift(point);
  }
}

main().then(
  (passed) => process.exit(passed ? 0 : 1),
  (error: unknown) => {
    process.stderr.write(`drill: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
