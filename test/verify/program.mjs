// SPDX-License-Identifier: Apache-2.0
// What both suites of this folder stand on: the count of what was checked, and the program itself.
import { spawn } from "node:child_process";

const PATIENCE_MS = 60_000;

export const tally = { passed: 0, failed: 0, skipped: 0 };

export function check(what, condition, told = "") {
  if (condition) {
    tally.passed += 1;
  } else {
    tally.failed += 1;
    console.log(`FAILED ${what}${told === "" ? "" : `: ${told}`}`);
  }
}

export function checkEqual(what, value, expected) {
  const texts = [value, expected].map((one) => JSON.stringify(one));
  check(what, texts[0] === texts[1], `${texts[0]} instead of ${texts[1]}`);
}

export function skip(what, reason) {
  tally.skipped += 1;
  console.log(`skipped ${what}: ${reason}`);
}

export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within a minute`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Starts a program; base resolves to its address, once it says where it listens.
export function start(file, args) {
  const child = spawn(file, args, { stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const listening = new Promise((resolve, reject) => {
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text) => {
      log += text;
      const found = log.match(/listening on (http:\/\/[^\s"]+)/);
      if (found) resolve(found[1]);
    });
    child.on("exit", (code) => reject(new Error(`${file} exited with ${code}: ${log}`)));
    child.on("error", reject);
  });
  return { child, base: within(listening, "start") };
}

export async function stop(child) {
  if (child.exitCode === null) {
    const stopped = new Promise((resolve) => child.on("exit", resolve));
    child.kill("SIGTERM");
    const code = await within(stopped, "stop").catch(() => child.kill("SIGKILL"));
    check("usher stops as asked", code === 0, `exit code ${code}`);
  }
}

// The last line, and the exit code.
export function conclude() {
  const skipped = tally.skipped > 0 ? `, ${tally.skipped} skipped` : "";
  console.log(`${tally.passed} passed, ${tally.failed} failed${skipped}`);
  process.exitCode = tally.failed > 0 ? 1 : 0;
}
