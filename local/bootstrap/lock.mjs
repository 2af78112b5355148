/**
 * One set-up at a time: two `npm ci` in one folder destroy each other's work. The lock is a file with the holder's
 * process id; a holder that is gone has lost it.
 */
import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from './errors.mjs';

const WAIT_MS = 250;
/** A cold install on a slow line takes some minutes; beyond this something else is wrong. */
const WAIT_MS_MAX = 15 * 60_000;

/**
 * @template T
 * @param {string} file
 * @param {(line: string) => void} say
 * @param {() => T | Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withLock(file, say, action) {
  const endsAt = Date.now() + WAIT_MS_MAX;
  let told = false;
  while (!writing(file, () => tryAcquire(file))) {
    if (Date.now() > endsAt)
      throw new SetupError(`another set-up has held ${file} for too long; remove it if none runs`);
    if (!told) say('another set-up is under way in this folder, waiting for it');
    told = true;
    await sleep(WAIT_MS);
  }
  try {
    return await action();
  } finally {
    rmSync(file, { force: true });
  }
}

/**
 * A folder that is read-only, somebody else's or full is found here first, before anything is half done.
 * @template T
 * @param {string} file
 * @param {() => T} action
 */
function writing(file, action) {
  const folder = path.dirname(file);
  try {
    mkdirSync(folder, { recursive: true });
    return action();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SetupError(
      `cannot write to ${folder}: ${why}.\nSet-up needs a checkout of your own on a disk with free space.`,
    );
  }
}

/** @param {string} file */
function tryAcquire(file) {
  if (createHolding(file)) return true;
  if (!holderLives(file)) breakDeadLock(file);
  return false;
}

/**
 * Creates the file with our process id in one step, so that nobody ever sees it empty.
 * @param {string} file
 */
function createHolding(file) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, String(process.pid));
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    return false;
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Only one may break a lock at a time, and looks again before it does: of two that saw the same dead holder the second
 * would otherwise remove the lock that the first has taken meanwhile.
 * @param {string} file
 */
function breakDeadLock(file) {
  const guard = `${file}.breaking`;
  if (!createHolding(guard)) {
    if (!holderLives(guard)) rmSync(guard, { force: true });
    return;
  }
  try {
    if (!holderLives(file)) rmSync(file, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/** @param {string} file */
function holderLives(file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return true;
  } catch (error) {
    // EPERM: it lives and belongs to somebody else. ENOENT (file) and ESRCH (process): gone.
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}
