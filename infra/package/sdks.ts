/**
 * The cloud SDKs, apart from the app's own file. V8 reads through every byte of a file before it runs a line of it; the SDKs are
 * most of the code, and a process that only answers a health probe needs none. So each cloud is a file of its own, read when
 * something in it is first required. The product requires an SDK inside the function that needs it, nowhere else: what is
 * required at a module's top stays in the app's file.
 */
import path from 'node:path';
import type { Plugin } from 'esbuild';

export const SDK_FILES: Readonly<Record<string, readonly string[]>> = {
  'sdk-aws.js': ['@aws-sdk/client-s3', '@aws-sdk/client-sts'],
  'sdk-azure.js': [
    '@azure/arm-compute',
    '@azure/data-tables',
    '@azure/identity',
    '@azure/keyvault-keys',
    '@azure/storage-queue',
    'undici', // reads disks
  ],
};

/** Requires of an SDK by the product become requires of the file beside it. SDKs among themselves are left alone. */
export const sdksApart: Plugin = {
  name: 'sdks-apart',
  setup(build) {
    for (const [file, names] of Object.entries(SDK_FILES)) {
      build.onResolve({ filter: exactly(names) }, ({ path: name, importer }) =>
        importer.split(path.sep).includes('node_modules') ? undefined : { path: name, namespace: file },
      );
      build.onLoad({ filter: /./, namespace: file }, ({ path: name }) => ({
        contents: `module.exports = require(${JSON.stringify(`./${file}`)})[${JSON.stringify(name)}];`,
      }));
      build.onResolve({ filter: exactly([`./${file}`]) }, () => ({ path: `./${file}`, external: true }));
    }
  },
};

/** What such a file says: each SDK runs when it is asked for by name. */
export const sdkText = (names: readonly string[]): string =>
  `module.exports = {${names.map((name) => `get ${JSON.stringify(name)}() { return require(${JSON.stringify(name)}); }`)}};`;

const exactly = (names: readonly string[]): RegExp =>
  new RegExp(`^(?:${names.map((name) => name.replace(/[.]/g, '\\$&')).join('|')})$`);
