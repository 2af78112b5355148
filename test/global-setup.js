/** zstd in node:zlib and node:sqlite need Node 22.15; a bare `jest` on an older Node would fail with riddles. */
module.exports = async () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 22 || (major === 22 && minor < 15)) {
    throw new Error(
      `Node ${process.versions.node} is too old for the tests: run them with "npm test", which brings Node 24.`,
    );
  }
};
