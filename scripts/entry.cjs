#!/usr/bin/env -S node --v8-pool-size=0
// Starts the bundle from V8's code cache: at each start of a command compiling would take longer than anything else. A
// cache that another version of Node has made is passed over by V8 itself. Nothing here runs for long enough to make
// V8's threads worth their start.
"use strict";

const { readFileSync } = require("node:fs");
const { pathToFileURL } = require("node:url");
const vm = require("node:vm");

const filename = `${__dirname}/main.js`;
let cachedData;
try {
  cachedData = readFileSync(`${__dirname}/main.cache`);
} catch {
  // slower, and as good
}
// esbuild writes nothing but ASCII
const script = new vm.Script(readFileSync(filename, "latin1"), { filename, ...(cachedData && { cachedData }) });
if (process.env.CRCTL_DEBUG === "1") process.stderr.write(`code cache ${script.cachedDataRejected === false ? "used" : "not used"}\n`);
script.runInThisContext()(require, pathToFileURL(filename).href);
