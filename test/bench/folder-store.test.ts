import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runFolder } from '../../bench/kit/folders';
import { folderStores } from '../../bench/ours/folder-store';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'bench-store-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const keysOf = async (prefix: string): Promise<string[]> => {
  const keys: string[] = [];
  for await (const { key } of folderStores(folder).stores.data.list(prefix)) keys.push(key);
  return keys;
};

test('a key is written once: the same bytes count as written, others do not', async () => {
  const { data } = folderStores(folder).stores;
  expect((await data.putOnce('a/b', Buffer.from('one'))).outcome).toBe('created');
  expect((await data.putOnce('a/b', Buffer.from('one'))).outcome).toBe('created');
  expect((await data.putOnce('a/b', Buffer.from('two'))).outcome).toBe('exists');
  expect((await data.get('a/b')).body.toString()).toBe('one');
});

test('a swap needs the etag of what is there', async () => {
  const { control } = folderStores(folder).stores;
  const { etag } = await control.putOnce('register', Buffer.from('one'));
  expect((await control.replace('register', Buffer.from('two'), 'another')).outcome).toBe('changed');
  expect((await control.replace('register', Buffer.from('two'), etag)).outcome).toBe('replaced');
  expect((await control.replace('register', Buffer.from('three'), etag)).outcome).toBe('changed');
  expect((await control.get('register')).body.toString()).toBe('two');
});

test('ranges are half-open, and a range behind the end is an error', async () => {
  const { data } = folderStores(folder).stores;
  await data.putOnce('x', Buffer.from('0123456789'));
  expect((await data.get('x', { start: 2, end: 5 })).body.toString()).toBe('234');
  await expect(data.get('x', { start: 8, end: 12 })).rejects.toMatchObject({ code: 'store.unavailable' });
  await expect(data.get('y')).rejects.toMatchObject({ code: 'store.not-found' });
});

test('a listing has every key below the prefix, in order, and no half-written one', async () => {
  const { stores, calls } = folderStores(folder);
  for (const key of ['t/u/b', 't/u/a', 't/x/c']) await stores.data.putOnce(key, Buffer.from(key));
  expect(await keysOf('t/u/')).toEqual(['t/u/a', 't/u/b']);
  expect(await keysOf('t/')).toEqual(['t/u/a', 't/u/b', 't/x/c']);
  expect(await keysOf('nothing/')).toEqual([]);
  expect(calls.puts).toBe(3);
});

test('what a killed run left behind is removed, and what a living one uses is not', async () => {
  const left = path.join(folder, `blockferry-bench-${2 ** 22 + 1}`);
  const used = path.join(folder, `blockferry-bench-${process.ppid}`);
  for (const name of [left, used]) await mkdir(name);
  runFolder(Number.MAX_SAFE_INTEGER, folder);
  expect([existsSync(left), existsSync(used)]).toEqual([false, true]);
});
