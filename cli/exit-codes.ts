/**
 * How the command line ends. The numbers are a promise to scripts: one is never given another meaning, new ones are added at
 * the end. docs/cli.md is made from this table.
 */
export const exitCodes = {
  done: { code: 0, means: 'done' },
  failed: { code: 1, means: 'failed; the message says at what' },
  usage: { code: 2, means: 'wrong usage: an unknown option, a missing or impossible value' },
  partial: { code: 3, means: 'done in part: the lines say what is missing' },
  nothing: { code: 4, means: 'nothing matched: no such VM, job, policy or restore point' },
  attention: {
    code: 5,
    means: 'asked and answered, and the answer needs a person: a VM is not protected as it should be',
  },
  unreachable: { code: 10, means: 'the API or the buckets do not answer; the same command may succeed later' },
  conflict: { code: 11, means: 'something is in the way: a running job, a lease, a policy changed by somebody else' },
  denied: { code: 12, means: 'not allowed: sign-in, role, key or file mode' },
  damaged: { code: 13, means: 'verification failed: stored data are not what was written' },
  budget: { code: 14, means: 'stopped by a hard budget before anything was started' },
  interrupted: { code: 130, means: 'interrupted by Ctrl-C or a signal' },
} as const;

export type ExitName = keyof typeof exitCodes;
