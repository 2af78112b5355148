/** What the documents point at is there: files, headings, commands of the command line, settings. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { commands } from '../../cli/commands';
import { settingsSchema } from '../../shared/app/config';

const root = path.resolve(__dirname, '..', '..');
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...markdownIn('docs'), ...markdownIn('local')];

function markdownIn(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => path.join(folder, name));
}

const textOf = (page: string): string => readFileSync(path.join(root, page), 'utf8');
const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```/gm, '');

/** As GitHub makes them: lower case, punctuation gone, blanks to hyphens. */
function anchorsOf(page: string): Set<string> {
  const headings = [...withoutCode(textOf(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

describe.each(pages)('%s', (page) => {
  const text = textOf(page);

  test('links to files and headings that exist', () => {
    const broken = [...withoutCode(text).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : path.join(path.dirname(page), file);
      if (!statSync(path.join(root, target), { throwIfNoEntry: false })) return [`${link}: no such file`];
      const missing = anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).has(anchor);
      return missing ? [`${link}: no such heading`] : [];
    });
    expect(broken).toEqual([]);
  });

  test('names commands that exist', () => {
    const names = new Set(commands.map(({ name }) => name));
    const groups = new Set([...names].map((name) => name.split(' ')[0]));
    const wrong = [...text.matchAll(/`blockferry ([a-z]+)(?: ([a-z][a-z-]+))?/g)].flatMap(([, first = '', second]) => {
      if (names.has(first) || names.has(`${first} ${second}`)) return [];
      return second === undefined && groups.has(first) ? [] : [`blockferry ${first} ${second ?? ''}`];
    });
    expect(wrong).toEqual([]);
  });

  test('names settings that exist', () => {
    const known = new Set([...Object.keys(settingsSchema.shape), ...settingsOf('cli'), ...settingsOf('functions')]);
    for (const folder of ['local', 'infra', 'bench', 'test', 'shared'])
      for (const name of settingsOf(folder)) known.add(name);
    const wrong = [...text.matchAll(/\bBLOCKFERRY_[A-Z_]+[A-Z]\b/g)]
      .map(([name]) => name)
      .filter((name) => !known.has(name));
    expect(wrong).toEqual([]);
  });
});

const found = new Map<string, readonly string[]>();

/** Every name of a setting in the sources of `folder`: the schema has the product's, others belong to tools. */
function settingsOf(folder: string): readonly string[] {
  const known = found.get(folder);
  if (known) return known;
  const names = readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs|json|bicep)$/.test(name))
    .flatMap((name) => textOf(path.join(folder, name)).match(/\bBLOCKFERRY_[A-Z_]+[A-Z]\b/g) ?? []);
  found.set(folder, names);
  return names;
}
