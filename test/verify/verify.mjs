// SPDX-License-Identifier: Apache-2.0
// Takes the calls of a real run and has them verified by libraries that are not ours: each one as
// it came is accepted, and refused once anything in it is changed. The last line is the count.
//
//     node verify.mjs USHER
import { execFileSync, spawnSync } from "node:child_process";
import { createPublicKey, verify as verifySignature } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { check, conclude, start, stop, tally, within } from "./program.mjs";

const LIBRARIES = { standardwebhooks: StandardWebhook, svix: SvixWebhook };
const PEOPLE = [
  { name: "John Doe", email: "john@example.com", phone: "1234567890", timezone: "Asia/Kolkata" },
  { name: 'Zoë "Ünï" O\'Brien \\ 田中 👩🏽‍🚀', email: "zoe@example.com", phone: "+44 0" },
  { name: "ﷺ é", email: "nobody@example.org", phone: null, timezone: "-03:30" },
];

const usher = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), "usher-verify-"));
const database = join(folder, "usher.db");

// An endpoint that keeps each call as it came: headers and raw bytes.
async function listen(calls) {
  const server = createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => {
      calls.push({ path: request.url, headers: request.headers, body: Buffer.concat(pieces) });
      response.end("OK");
      server.emit("call");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function arrived(server, calls, path, count) {
  const those = () => calls.filter((call) => call.path === path);
  const all = new Promise((resolve) => {
    const look = () => {
      if (those().length >= count) resolve(those());
    };
    server.on("call", look);
    look();
  });
  return within(all, `${count} calls at ${path}`);
}

async function post(base, key, path, body) {
  const response = await fetch(`${base}/api/v1${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-api-key": key },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

function accepts(Library, secret, body, headers) {
  try {
    return new Library(secret).verify(body, headers);
  } catch {
    return null;
  }
}

// One call, by one library: accepted as it is, refused in every other form.
function verify(name, Library, secret, call) {
  const headers = {
    "webhook-id": call.headers["webhook-id"],
    "webhook-timestamp": call.headers["webhook-timestamp"],
    "webhook-signature": call.headers["webhook-signature"],
  };
  const body = call.body.toString("utf8");
  const told = accepts(Library, secret, body, headers);
  check(`${name} accepts ${body}`, told !== null);
  check(`${name} reads the body`, JSON.stringify(told) === body);

  const other = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  const late = String(Number(headers["webhook-timestamp"]) - 1);
  const flipped = headers["webhook-signature"].replace(/v1,(.)/g, (_, first) =>
    first === "A" ? "v1,B" : "v1,A",
  );
  const tampered = {
    "a changed body": [secret, body.replace('"name":"', '"name":"x'), headers],
    "a shorter body": [secret, body.slice(0, -1), headers],
    "another id": [secret, body, { ...headers, "webhook-id": `${headers["webhook-id"]}1` }],
    "another time": [secret, body, { ...headers, "webhook-timestamp": late }],
    "another signature": [secret, body, { ...headers, "webhook-signature": flipped }],
    "no signature": [secret, body, { ...headers, "webhook-signature": "" }],
    "another secret": [other, body, headers],
  };
  for (const [what, [key, text, fields]] of Object.entries(tampered)) {
    check(`${name} refuses ${what}`, accepts(Library, key, text, fields) === null);
  }
}

// v1a, which neither library knows: Ed25519 by Node itself, under the key that the hook shows.
function verifyPublic(publicKey, call) {
  const key = createPublicKey({
    format: "jwk",
    key: { kty: "OKP", crv: "Ed25519",
      x: Buffer.from(publicKey.replace("whpk_", ""), "base64").toString("base64url") },
  });
  const [version, signature] = call.headers["webhook-signature"].split(",");
  const signed = (body) => Buffer.concat([
    Buffer.from(`${call.headers["webhook-id"]}.${call.headers["webhook-timestamp"]}.`), body]);
  const holds = (body) => verifySignature(
    null, signed(body), key, Buffer.from(signature, "base64"));
  check("v1a says so", version === "v1a");
  check(`v1a holds for ${call.body}`, holds(call.body));
  check("v1a does not hold for a changed body", !holds(Buffer.concat([call.body, call.body])));
}

async function run(base, server, calls) {
  const key = execFileSync(usher, ["key", "create", "--account", "verify", "--db", database], {
    encoding: "utf8",
  }).trim();
  const place = `http://127.0.0.1:${server.address().port}`;
  const hooks = {};
  for (const name of ["plain", "rotated"]) {
    hooks[name] = await post(base, key, "/integration/webhook/webhook", {
      hookUrl: `${place}/${name}`,
      event: "webinar.created.single",
    });
  }
  const signed = await post(base, key, "/integration/webhook/webhook", {
    hookUrl: `${place}/public`,
    event: "webinar.created.single",
    signature: "v1a",
  });
  const rotated = await post(
    base, key, `/integration/webhook/webhook/${hooks.rotated.id}/rotate-secret`, {});
  const webinar = await post(base, key, "/webinars", {
    title: "Introduction to Digital Marketing",
    link: "https://meet.google.com/abc-defg-hij",
    from: "2034-03-15T15:30:00",
    to: "2034-03-15T16:30:00",
    timezone: "Asia/Kolkata",
  });
  for (const person of PEOPLE) await post(base, key, `/webinars/${webinar.id}/attendees`, person);

  for (const call of await arrived(server, calls, "/public", PEOPLE.length)) {
    verifyPublic(signed.publicKey, call);
  }
  const secrets = { plain: [hooks.plain.secret], rotated: [hooks.rotated.secret, rotated.secret] };
  for (const [hook, keys] of Object.entries(secrets)) {
    const those = await arrived(server, calls, `/${hook}`, PEOPLE.length);
    for (const call of those) {
      for (const [name, Library] of Object.entries(LIBRARIES)) {
        for (const secret of keys) verify(`${name} (${hook})`, Library, secret, call);
      }
    }
  }
}

/* The API's description, judged by a public linter: not even a hint is left. */
function lint() {
  const spectral = new URL("node_modules/.bin/spectral", import.meta.url).pathname;
  const rules = new URL("spectral.yaml", import.meta.url).pathname;
  const file = new URL("../../src/api/openapi.json", import.meta.url).pathname;
  const options = ["lint", "--ruleset", rules, "--fail-severity", "hint", file];
  const found = spawnSync(spectral, options, { encoding: "utf8" });

  if (found.status !== 0) console.log(found.stdout, found.stderr);
  check("the OpenAPI document has no finding", found.status === 0);
}

lint();
const calls = [];
const server = await listen(calls);
const { child, base } = start(usher,
  ["serve", "--listen", "127.0.0.1:0", "--db", database, "--allow-private-hooks"]);
try {
  await run(await base, server, calls);
} catch (error) {
  tally.failed += 1;
  console.log(`FAILED ${error.stack}`);
} finally {
  await stop(child);
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
}
conclude();
