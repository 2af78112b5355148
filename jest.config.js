/** Jest runs the TypeScript sources through swc; process-level tests use the build in dist/. */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        module: { type: 'commonjs' },
        sourceMaps: 'inline',
      },
    ],
  },
  globalSetup: '<rootDir>/test/global-setup.js',
  // jest leaves one core free by itself; most of these tests wait for child processes.
  maxWorkers: '100%',
  // Not a measure of anything: machines that do other work too are slow.
  testTimeout: 90_000,
};
