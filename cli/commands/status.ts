import { defineCommand } from '../command';
import { statusReply, summaryLine, vmStatusLine } from '../lines/vm-status';
import { flag } from '../option-values';
import { age } from '../text';

export const statusCommand = defineCommand({
  name: 'status',
  summary: 'is everything protected as it should be, and what is not',
  description:
    'A virtual machine is `protected` only when everything that could speak against it was looked at: a policy, a restore point in time,\n' +
    'a verified one in time, all disks, a last backup that succeeded, a scheduler and a janitor that work. Exit code 5 when one is not.',
  examples: [
    { run: 'blockferry status', does: 'the numbers, and every virtual machine that needs a look' },
    { run: 'blockferry status --all', does: 'the well protected ones too' },
    { run: 'blockferry status --quiet || notify-send "backups need a look"', does: 'by the exit code' },
  ],
  reach: ['api'],
  watchable: true,
  options: { all: { flags: '--all', says: 'protected virtual machines too', value: flag } },
  lines: { summary: summaryLine, vm: vmStatusLine },
  run: async ({ options, out, api, nowMs }) => {
    const { vms, doubts, items } = await (await api()).get('/status', statusReply);
    const total = items.length;
    const bad = items.filter(({ state }) => state !== 'protected' && state !== 'excluded');
    const numbers = Object.entries(vms).map(([state, count]) => `${count} ${state}`);
    const paint = bad.length > 0 || doubts.length > 0 ? out.paint.bad : out.paint.good;
    const said = [`${total} virtual machines: ${numbers.join(', ')}`, ...doubts].join('; ');
    out.line('summary', { vms, doubts }, () => said, paint);
    out.rows(
      'vm',
      options.all ? items : bad,
      [
        { title: 'VM', of: ({ vmName }) => vmName },
        { title: 'STATE', of: ({ state }) => state },
        { title: 'LAST POINT', of: ({ lastPointAt }) => (lastPointAt ? age(lastPointAt, nowMs()) : 'never') },
        { title: 'VERIFIED', of: ({ lastVerifiedAt }) => (lastVerifiedAt ? age(lastVerifiedAt, nowMs()) : 'never') },
        { title: 'WHY', of: ({ reasons }) => reasons.join('; ') },
      ],
      total === 0 ? 'no virtual machine in the subscriptions that are served' : 'nothing needs a look',
    );
    return bad.length > 0 || doubts.length > 0 ? 'attention' : undefined;
  },
});
