/** A child whose parent was killed ends by itself: nothing is left behind whatever happens to the supervisor. */
const LOOK_MS = 1000;

/** Calls `onGone` once when no process has this id any more. Does not keep the caller alive. */
export function watchParent(pid: number, onGone: () => void): void {
  if (!Number.isSafeInteger(pid) || pid <= 0) return;
  const timer = setInterval(() => {
    if (isAlive(pid)) return;
    clearInterval(timer);
    onGone();
  }, LOOK_MS);
  timer.unref();
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: there is one, of another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
