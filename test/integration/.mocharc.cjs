// How mocha runs the integration tests. With CRCTL_PART=N/M in the environment it takes the N-th of M parts of the
// files, so that M machines share the work: under emulation a machine keeps about one processor busy.

const { readdirSync } = require("node:fs");
const { join } = require("node:path");

const built = join(__dirname, "../../dist/tsc/test/integration");

function part(files) {
  const wanted = process.env.CRCTL_PART;
  if (wanted === undefined) return files;
  const [n, m] = (/^([1-9]\d*)\/([1-9]\d*)$/.exec(wanted) ?? []).slice(1).map(Number);
  if (n === undefined || n > m) throw new Error(`CRCTL_PART is to be N/M, not "${wanted}"`);
  return files.filter((_, index) => index % m === n - 1);
}

const files = readdirSync(built).filter((name) => name.endsWith(".test.js"));

module.exports = {
  spec: part(files.sort()).map((name) => join(built, name)),
  require: [join(built, "setup.js")],
  timeout: 300_000,
  slow: 30_000,
  forbidOnly: true,
  forbidPending: true,
  failZero: true,
  checkLeaks: true,
};
