// SPDX-License-Identifier: Apache-2.0
// Signed by the senders' own libraries: what they sign is accepted, and what was changed, comes
// late or is written in another way is refused, always with the same answer.
import { sign as githubSign } from "@octokit/webhooks-methods";
import { generateKeyPairSync, sign as signBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { Webhook as StandardWebhook } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as SvixWebhook } from "svix";
import { check, checkEqual } from "./program.mjs";

const KEYS = generateKeyPairSync("ed25519");
const whsec = (byte) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`;

export const SECRETS = {
  old: whsec(1),
  new: whsec(2),
  other: whsec(3),
  publicKey: `whpk_${Buffer.from(KEYS.publicKey.export({ format: "jwk" }).x, "base64url")
    .toString("base64")}`,
};
const TOLERANCE_S = 300;
const HOUR_S = 3600;
const agent = new Agent({ keepAlive: true });
let serial = 0;

// Status, fields and bytes of the answer to exactly these headers; on a connection of its own where
// the options name no agent.
export function post(base, path, headers, body, options = { agent }) {
  return new Promise((resolve, reject) => {
    const told = { method: "POST", headers, agent: false, ...options };
    const call = request(`${base}${path}`, told, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers,
        body: Buffer.concat(pieces).toString("utf8"), reused: call.reusedSocket }));
    });
    call.on("error", reject);
    call.end(body);
  });
}

// A body that never came before.
export function fresh() {
  serial += 1;
  return JSON.stringify({ serial, name: 'Zoë "Ünï" \\ 田中 👩🏽‍🚀', email: `p${serial}@example.com` });
}

const nowSeconds = () => Math.floor(Date.now() / 1000);

// One standard signature, without its "v1,".
function standardSign(Library, secret, call) {
  return new Library(secret).sign(call.id, new Date(call.time * 1000), call.body)
    .replace(/^v1,/, "");
}

function publicSign(call) {
  const signed = Buffer.from(`${call.id}.${call.time}.${call.body}`);
  return signBytes(null, signed, KEYS.privateKey).toString("base64");
}

// A call whose signature has all that base64url writes in another way.
function newCall(prefix, sign, tag) {
  let call;
  do {
    call = { id: `msg_${serial}`, time: nowSeconds(), body: fresh() };
    call.signature = sign(call);
  } while (!/[+/]/.test(call.signature) || /^A/.test(call.signature));
  call.headers = {
    "content-type": "application/json",
    [`${prefix}-id`]: call.id,
    [`${prefix}-timestamp`]: String(call.time),
    [`${prefix}-signature`]: `${tag},${call.signature}`,
  };
  return call;
}

// Everything that may be wrong with a call that is signed as the Standard Webhooks say.
function standardWrongs(prefix, sign, tag) {
  const call = newCall(prefix, sign, tag);
  const { body, headers, signature } = call;
  const named = (name, value) => [body, { ...headers, [`${prefix}-${name}`]: value }];
  const without = (name) => {
    const { [`${prefix}-${name}`]: _, ...rest } = headers;
    return [body, rest];
  };
  const at = (time) => {
    const other = { ...call, time };
    return [body, { ...headers, [`${prefix}-timestamp`]: String(time),
      [`${prefix}-signature`]: `${tag},${sign(other)}` }];
  };
  const bytes = Buffer.from(signature, "base64");
  return {
    "a changed body": [body.replace("Zoë", "Zoe"), headers],
    "a longer body": [`${body} `, headers],
    "a shorter body": [body.slice(0, -1), headers],
    "no body": ["", headers],
    "another id": named("id", `${call.id}1`),
    "another time": named("timestamp", String(call.time - 1)),
    "a time with a sign": named("timestamp", `+${call.time}`),
    "a time with a blank": named("timestamp", `${call.time} 0`),
    "a time with a fraction": named("timestamp", `${call.time}.0`),
    "a time in milliseconds": at(call.time * 1000),
    "a time of no digits": named("timestamp", "now"),
    "a stale time": at(call.time - TOLERANCE_S - HOUR_S),
    "a future time": at(call.time + TOLERANCE_S + HOUR_S),
    "another signature": named("signature", `${tag},A${signature.slice(1)}`),
    "another version": named("signature", `v2,${signature}`),
    "no version": named("signature", signature),
    "another letter case of the version": named("signature", `${tag.toUpperCase()},${signature}`),
    "base64url": named("signature", `${tag},${bytes.toString("base64url")}`),
    "base64url with padding": named("signature",
      `${tag},${signature.replaceAll("+", "-").replaceAll("/", "_")}`),
    "no padding": named("signature", `${tag},${signature.replaceAll("=", "")}`),
    "more padding": named("signature", `${tag},${signature}=`),
    "hex": named("signature", `${tag},${bytes.toString("hex")}`),
    "a shorter signature": named("signature", `${tag},${bytes.subarray(1).toString("base64")}`),
    "an empty signature": named("signature", ""),
    "a version alone": named("signature", `${tag},`),
    "no id": without("id"),
    "no time": without("timestamp"),
    "no signature": without("signature"),
    "an empty id": named("id", ""),
    "an empty time": named("timestamp", ""),
  };
}

function stripeHeader(payload, secret, timestamp = nowSeconds()) {
  return Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
}

function stripeWrongs() {
  const body = fresh();
  const time = nowSeconds();
  const header = stripeHeader(body, SECRETS.new, time);
  const hex = header.split("v1=")[1];
  const one = (value, text = body) => [text, { "stripe-signature": value }];
  return {
    "a changed body": one(header, body.replace("Zoë", "Zoe")),
    "a shorter body": one(header, body.slice(0, -1)),
    "another time": one(header.replace(String(time), String(time - 1))),
    "a stale time": one(stripeHeader(body, SECRETS.new, time - TOLERANCE_S - HOUR_S)),
    "a future time": one(stripeHeader(body, SECRETS.new, time + TOLERANCE_S + HOUR_S)),
    "another signature": one(`t=${time},v1=${hex.replace(/^./, (c) => (c === "0" ? "1" : "0"))}`),
    "a test signature": one(`t=${time},v0=${hex}`),
    "base64": one(`t=${time},v1=${Buffer.from(hex, "hex").toString("base64")}`),
    "a shorter signature": one(`t=${time},v1=${hex.slice(2)}`),
    "no time": one(`v1=${hex}`),
    "no signature in it": one(`t=${time}`),
    "another secret": one(stripeHeader(body, SECRETS.other, time)),
    "the secret without its prefix": one(
      stripeHeader(body, SECRETS.new.replace("whsec_", ""), time)),
    "an empty signature": one(""),
    "no signature": [body, {}],
  };
}

async function githubWrongs() {
  const body = fresh();
  const header = await githubSign(SECRETS.new, body);
  const hex = header.replace("sha256=", "");
  const one = (value, text = body) => [text, { "x-hub-signature-256": value }];
  return {
    "a changed body": one(header, body.replace("Zoë", "Zoe")),
    "a shorter body": one(header, body.slice(0, -1)),
    "another signature": one(`sha256=${hex.replace(/^./, (c) => (c === "0" ? "1" : "0"))}`),
    "the old header's prefix": one(`sha1=${hex}`),
    "no prefix": one(hex),
    "base64": one(`sha256=${Buffer.from(hex, "hex").toString("base64")}`),
    "a shorter signature": one(`sha256=${hex.slice(2)}`),
    "another secret": one(await githubSign(SECRETS.other, body)),
    "the old header": [body, { "x-hub-signature": header }],
    "an empty signature": one(""),
    "no signature": [body, {}],
  };
}

// All that a caller could tell one refusal from another by: the id is at random.
function seen(answer) {
  const { date: _date, "x-request-id": _id, ...headers } = answer.headers;
  return JSON.stringify([answer.status, headers, answer.body]);
}

async function accepted(base, what, path, [body, headers]) {
  const answer = await post(base, path, headers, body);
  check(`${path} accepts ${what}`, answer.status === 200 &&
    JSON.parse(answer.body).status === "accepted", `${answer.status} ${answer.body}`);
}

async function refused(base, path, wrongs, refusal) {
  for (const [what, [body, headers]] of Object.entries(wrongs)) {
    checkEqual(`${path} refuses ${what}`, seen(await post(base, path, headers, body)), refusal);
  }
}

async function standard(base, refusal, path, prefix, Library) {
  const signer = (secret) => (call) => standardSign(Library, secret, call);

  for (const secret of [SECRETS.old, SECRETS.new]) {
    const call = newCall(prefix, signer(secret), "v1");
    await accepted(base, "what is signed", path, [call.body, call.headers]);
    const again = await post(base, path, call.headers, call.body);
    checkEqual(`${path} knows it again`, JSON.parse(again.body).status, "duplicate");
  }
  const call = newCall(prefix, signer(SECRETS.new), "v1");
  const others = `v1,${signer(SECRETS.other)(call)} v1a,${publicSign(call)}`;
  await accepted(base, "a signature among others", path, [call.body,
    { ...call.headers, [`${prefix}-signature`]: `${others} v1,${call.signature}` }]);
  await refused(base, path, standardWrongs(prefix, signer(SECRETS.new), "v1"), refusal);
  const wrong = newCall(prefix, signer(SECRETS.other), "v1");
  await refused(base, path, { "another secret": [wrong.body, wrong.headers],
    "the others alone": [call.body, { ...call.headers, [`${prefix}-signature`]: others }] },
  refusal);
}

export async function signatures(base) {
  const refusal = seen(await post(base, "/in/nobody", {}, fresh()));
  check("there is one refusal", JSON.parse(refusal)[0] === 401, refusal);

  await standard(base, refusal, "/in/standard", "webhook", StandardWebhook);
  await standard(base, refusal, "/in/svix", "svix", SvixWebhook);
  await standard(base, refusal, "/in/svix", "webhook", SvixWebhook);

  const call = newCall("webhook", publicSign, "v1a");
  await accepted(base, "what is signed", "/in/public", [call.body, call.headers]);
  await refused(base, "/in/public", standardWrongs("webhook", publicSign, "v1a"), refusal);

  for (const secret of [SECRETS.old, SECRETS.new]) {
    const body = fresh();
    await accepted(base, "what is signed", "/in/stripe",
      [body, { "stripe-signature": stripeHeader(body, secret) }]);
    const other = fresh();
    await accepted(base, "what is signed", "/in/github",
      [other, { "x-hub-signature-256": await githubSign(secret, other) }]);
  }
  const body = fresh();
  const two = `${stripeHeader(body, SECRETS.other)},v1=${
    stripeHeader(body, SECRETS.new).split("v1=")[1]},v0=00`;
  await accepted(base, "a signature among others", "/in/stripe",
    [body, { "stripe-signature": two }]);
  await refused(base, "/in/stripe", stripeWrongs(), refusal);
  await refused(base, "/in/github", await githubWrongs(), refusal);
  agent.destroy();
}
