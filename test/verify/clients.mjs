// SPDX-License-Identifier: Apache-2.0
// HTTP as many clients speak it. What each sends is signed, so a call that is accepted has come
// through to the byte; and each brings user and password, from its URL wherever it can.
import axios from "axios";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";
import { Pool, request as undiciRequest } from "undici";
import { check, checkEqual, skip, within } from "./program.mjs";
import { fresh, post, SECRETS } from "./signatures.mjs";

const PATH = "/in/clients";
const USER = "hooks";
const PASSWORD = "p@ss:wörd/ %";
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`;
const PIPELINED = 20;
const KIB = 1024;
const PROGRAM_MS = 300_000; // Go compiles its library first, once

let serial = 0;

// A body of about so many bytes, and the headers that prove it.
function signed(bytes = 0) {
  const body = bytes > 0 ? JSON.stringify({ ...JSON.parse(fresh()), long: "ü".repeat(bytes / 2) })
    : fresh();
  const now = new Date();
  serial += 1;
  const id = `msg_client_${serial}`;
  return {
    body,
    headers: {
      "Content-Type": "application/json",
      "Webhook-Id": id,
      "Webhook-Timestamp": String(Math.floor(now.getTime() / 1000)),
      "Webhook-Signature": new Webhook(SECRETS.new).sign(id, now, body),
    },
  };
}

function isAccepted(what, status, body) {
  check(`${what} is accepted`, status === 200 && /"status":"accepted"/.test(body),
    `${status} ${body}`);
}

function withPassword(base) {
  const url = new URL(`${base}${PATH}`);
  url.username = USER;
  url.password = encodeURIComponent(PASSWORD);
  return url;
}

// --- Node ----------------------------------------------------------------------------------------

// The body in pieces, with an Expect when asked for; resolves with its answer.
function inPieces(url, headers, pieces) {
  return new Promise((resolve, reject) => {
    const call = request(url, { method: "POST", headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece) => { text += piece; });
      response.on("end", () => resolve({ status: response.statusCode, text, continued }));
    });
    let continued = false;
    const send = () => {
      for (const piece of pieces) call.write(piece);
      call.end();
    };
    call.on("error", reject);
    call.on("continue", () => {
      continued = true;
      send();
    });
    if (headers.Expect === undefined) send();
    else call.flushHeaders();
  });
}

async function node(base) {
  const url = withPassword(base);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const options = { agent, auth: `${USER}:${PASSWORD}` };
  for (const turn of [0, 1, 2]) {
    const { body, headers } = signed();
    const answer = await post(base, PATH, headers, body, options);
    isAccepted(`http (${turn})`, answer.status, answer.body);
    check(`http: one connection (${turn})`, answer.reused === turn > 0);
  }
  agent.destroy();

  const odd = signed();
  const names = Object.fromEntries(Object.entries(odd.headers).map(([name, value], i) =>
    [i % 2 === 0 ? name.toUpperCase() : name.replace(/[a-z]/g, (c) =>
      (c < "m" ? c.toUpperCase() : c)), value]));
  const cased = await post(base, PATH, { ...names, aUTHORIZATION: BASIC.replace("Basic", "bASIC") },
    odd.body, {});
  isAccepted("http: odd letter case", cased.status, cased.body);

  for (const expect of [{}, { Expect: "100-continue" }]) {
    const { body, headers } = signed(64 * KIB);
    const told = await inPieces(url, { ...headers, ...expect }, body.match(/[^]{1,5000}/gu));
    isAccepted("http: in pieces", told.status, told.text);
    check("http: told to go on", told.continued === ("Expect" in expect));
  }
  const wrong = signed();
  const refused = await post(base, PATH, wrong.headers, wrong.body,
    { auth: `${USER}:${PASSWORD}x` });
  checkEqual("http: another password", refused.status, 401);
}

async function libraries(base) {
  const url = withPassword(base);
  let { body, headers } = signed();
  let answer = await axios.post(url.href, body, { headers, transformResponse: [] });
  isAccepted("axios", answer.status, answer.data);
  ({ body, headers } = signed(100 * KIB));
  answer = await axios.post(`${base}${PATH}`, Buffer.from(body),
    { headers, auth: { username: USER, password: PASSWORD }, transformResponse: [] });
  isAccepted("axios: a large body", answer.status, answer.data);

  ({ body, headers } = signed());
  const told = await undiciRequest(`${base}${PATH}`,
    { method: "POST", headers: { ...headers, authorization: BASIC }, body });
  isAccepted("undici", told.statusCode, await told.body.text());

  ({ body, headers } = signed());
  let fetched = await fetch(`${base}${PATH}`,
    { method: "POST", headers: { ...headers, authorization: BASIC }, body });
  isAccepted("fetch", fetched.status, await fetched.text());
  ({ body, headers } = signed(20 * KIB));
  fetched = await fetch(`${base}${PATH}`, { method: "POST", duplex: "half",
    headers: { ...headers, authorization: BASIC }, body: new Blob([body]).stream() });
  isAccepted("fetch: a stream", fetched.status, await fetched.text());

  const pool = new Pool(base, { connections: 1, pipelining: PIPELINED });
  const answers = await Promise.all(Array.from({ length: PIPELINED }, async () => {
    const call = signed();
    const response = await pool.request({ path: PATH, method: "POST", idempotent: true,
      blocking: false, headers: { ...call.headers, authorization: BASIC }, body: call.body });
    return [response.statusCode, await response.body.text()];
  }));
  for (const [status, text] of answers) isAccepted("undici: one behind the other", status, text);
  await pool.close();
}

// --- the wire ------------------------------------------------------------------------------------

function wireText(base, { body, headers }) {
  const fields = { Host: new URL(base).host, Authorization: BASIC, ...headers,
    "Content-Length": Buffer.byteLength(body) };
  return `POST ${PATH} HTTP/1.1\r\n${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`;
}

// All bytes that come back, once there are so many answers.
function exchange(base, writes, count) {
  const { hostname, port } = new URL(base);
  const socket = connect({ host: hostname, port, noDelay: true });
  let text = "";
  socket.setEncoding("utf8");
  const all = new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("data", (piece) => {
      text += piece;
      if (text.split("HTTP/1.1 200 ").length > count && text.endsWith("}")) resolve(text);
    });
    socket.on("end", () => resolve(text));
  });
  for (const bytes of writes) socket.write(bytes);
  return within(all, `${count} answers`).finally(() => socket.destroy());
}

async function wire(base) {
  const calls = Array.from({ length: PIPELINED }, () => wireText(base, signed()));
  let text = await exchange(base, [calls.join("")], PIPELINED);
  checkEqual("a batch in one write", text.match(/"status":"accepted"/g)?.length, PIPELINED);
  const ids = [...text.matchAll(/"id":"([^"]+)"/g)].map((found) => found[1]);
  checkEqual("its answers come in its order", ids, [...ids].sort());

  text = await exchange(base, Buffer.from(wireText(base, signed())).toString("latin1").split("")
    .map((byte) => Buffer.from(byte, "latin1")), 1);
  checkEqual("byte by byte", text.match(/"status":"accepted"/g)?.length, 1);
}

// --- other programs ------------------------------------------------------------------------------

// The program's output, whatever its exit code. Connections of ours are looked after meanwhile.
async function run(file, args, input, environment = {}) {
  const child = spawn(file, args, { stdio: "pipe", timeout: PROGRAM_MS,
    env: { ...process.env, no_proxy: "*", ...environment } });
  const texts = { stdout: "", stderr: "" };
  for (const name of Object.keys(texts)) {
    child[name].setEncoding("utf8");
    child[name].on("data", (piece) => { texts[name] += piece; });
  }
  child.stdin.on("error", () => {}); // it has ended; its exit code tells
  child.stdin.end(input);
  const code = await new Promise((resolve) => {
    child.on("error", resolve);
    child.on("close", (status, signal) => resolve(status ?? signal));
  });
  check(`${file} runs`, code === 0, `${code} ${texts.stderr}`);
  return texts.stdout;
}

function isThere(program, ...version) {
  return spawnSync(program, version).status === 0;
}

// Each line of output: status, a blank, and the body.
function linesAccepted(what, output, count) {
  const lines = output.trimEnd().split("\n");
  checkEqual(`${what}: so many answers`, lines.length, count);
  for (const line of lines) isAccepted(what, Number(line.slice(0, 3)), line);
}

async function curl(base) {
  if (!isThere("curl", "--version")) {
    skip("curl", "is not installed");
    return;
  }
  const url = withPassword(base).href;
  const common = ["--silent", "--show-error", "--write-out", "\\n%{http_code} %{num_connects}\\n"];
  const ways = {
    "plain": ["--data-binary", "@-"],
    "Expect": ["--data-binary", "@-", "--header", "Expect: 100-continue"],
    "chunked": ["--upload-file", "-", "--request", "POST"],
    "chunked, Expect": ["--upload-file", "-", "--request", "POST", "--header",
      "Expect: 100-continue"],
    "Transfer-Encoding": ["--data-binary", "@-", "--header", "Transfer-Encoding: chunked"],
    "HTTP/1.0": ["--data-binary", "@-", "--http1.0"],
    "offers HTTP/2": ["--data-binary", "@-", "--http2"],
  };
  for (const [way, options] of Object.entries(ways)) {
    const { body, headers } = signed(way === "plain" ? 0 : 300 * KIB);
    const fields = Object.entries(headers).flatMap(([name, value]) =>
      ["--header", `${name}: ${value}`]);
    const [text, told] =
      (await run("curl", [...common, ...options, ...fields, url], body)).split("\n");
    isAccepted(`curl: ${way}`, Number(told.split(" ")[0]), text);
  }
  const { body, headers } = signed();
  const fields = Object.entries(headers).flatMap(([name, value]) =>
    ["--header", `${name}: ${value}`]);
  const output = await run("curl",
    [...common, ...fields, "--data-binary", "@-", url, url], body);
  checkEqual("curl: one connection for two", output.match(/^200 \d$/gm), ["200 1", "200 0"]);
}

// Programs of ours in other languages, over their standard libraries.
async function others(base) {
  const place = (name) => new URL(`clients/${name}`, import.meta.url).pathname;
  const told = () => JSON.stringify({ url: `${base}${PATH}`, user: USER, password: PASSWORD,
    withPassword: withPassword(base).href, calls: Array.from({ length: 4 }, () => signed(KIB)) });

  linesAccepted("Python", await run("python3", [place("client.py")], told()), 4);
  if (!isThere("go", "version")) {
    skip("Go", "is not installed");
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "usher-verify-go-"));
  const program = join(folder, "client");
  // Signed only once it is built: that may take its time, and what is signed grows stale.
  await run("go", ["build", "-o", program, place("client.go")], "",
    { GOTOOLCHAIN: "local", GOFLAGS: "", GO111MODULE: "off" });
  linesAccepted("Go", await run(program, [], told()), 4);
  rmSync(folder, { recursive: true, force: true });
}

export async function clients(base) {
  await node(base);
  await libraries(base);
  await wire(base);
  await curl(base);
  await others(base);
}
