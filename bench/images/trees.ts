/**
 * Root file systems of Debian machines, as folders: unpacked by mmdebstrap with all their dependencies, without running a
 * line of the packages' own scripts, so a tree takes seconds and no machine is needed to make it.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { BenchError, run, runAsync } from '../kit/shell';

const BASE = [
  ...['linux-image-cloud-amd64', 'systemd-sysv', 'openssh-server', 'ca-certificates', 'curl', 'python3', 'git', 'perl'],
  ...['gnupg', 'man-db', 'locales', 'vim', 'iproute2', 'rsyslog'],
];
/** A machine that builds and keeps a database, and one that serves web pages: what two clones of one image become. */
const SOFTWARE = {
  golden: [],
  builder: ['postgresql', 'gcc', 'make', 'libssl-dev', 'python3-numpy', 'htop'],
  upgraded: ['postgresql', 'gcc', 'make', 'libssl-dev', 'python3-numpy', 'htop', 'tmux', 'jq'],
  server: ['nginx', 'redis-server', 'php-cli', 'mariadb-server'],
} as const;
export type Tree = keyof typeof SOFTWARE;

/** Unpacks the tree unless it is there. Several at once are faster: much of the time is the mirror's. */
export async function makeTree(folder: string, tree: Tree): Promise<void> {
  if (existsSync(folder)) return;
  const archive = archiveOf();
  const working = `${folder}.new`;
  rmSync(working, { recursive: true, force: true });
  const args = ['--quiet', '--mode=root', '--variant=extract', '--include=?essential'];
  args.push(`--include=${[...BASE, ...SOFTWARE[tree]].join(',')}`);
  // Only the machine that has aged takes what was published since the release.
  const sources = tree === 'upgraded' ? archive.all : archive.release;
  try {
    await runAsync('mmdebstrap', [...args, archive.suite, working, '-'], {
      input: sources.join('\n'),
      env: { LC_ALL: 'C' },
    });
  } catch (error) {
    rmSync(working, { recursive: true, force: true });
    const why = error instanceof Error ? error.message : String(error);
    throw new BenchError(`the file tree '${tree}' cannot be made (it needs a Debian mirror, as root):\n${why}`);
  }
  renameSync(working, folder);
}

/** The mirror that this machine itself uses: the bench brings no address of its own. */
function archiveOf(): { readonly suite: string; readonly release: string[]; readonly all: string[] } {
  const listed = run('apt-get', [
    'indextargets',
    '--format',
    '$(SITE)|$(RELEASE)|$(COMPONENT)',
    'Created-By: Packages',
  ]);
  const targets = listed
    .trim()
    .split('\n')
    .map((line) => line.split('|'))
    .filter(([, , component]) => component === 'main');
  const suites = targets.map(([, suite = '']) => suite).filter((suite) => /^[a-z]+$/.test(suite));
  const [suite] = suites;
  if (!suite) {
    throw new BenchError(
      'no Debian release among the package sources of this machine: the images need one (apt-get update)',
    );
  }
  const lines = targets.map(([site = '', of = '']) => ({ of, line: `deb ${site} ${of} main` }));
  const release = lines.filter(({ of }) => of === suite).map(({ line }) => line);
  const all = lines.filter(({ of }) => of === suite || of.startsWith(`${suite}-`)).map(({ line }) => line);
  return { suite, release: [...new Set(release)], all: [...new Set(all)] };
}
