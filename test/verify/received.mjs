// SPDX-License-Identifier: Apache-2.0
// Calls that were signed and sent by libraries that are not ours, taken by `usher receive`: each as
// it is, and none once anything in it is changed. Then the invitations that come out of it, read by
// a calendar library that is not ours either. The last line is the count.
//
//     node received.mjs USHER
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { calendars, startMailServer } from "./calendars.mjs";
import { clients } from "./clients.mjs";
import { SECRETS, signatures } from "./signatures.mjs";
import { conclude, start, stop, tally } from "./program.mjs";

const usher = process.argv[2];
const folder = mkdtempSync(join(tmpdir(), "usher-verify-"));
const configuration = join(folder, "usher.conf");

function source(name, scheme, secrets, accept = "signature") {
  return `[source ${name}]\naccept = ${accept}\nsignature = ${scheme}\n` +
    secrets.map((secret) => `secret = ${secret}\n`).join("");
}

const mail = await startMailServer();
writeFileSync(configuration, `listen = 127.0.0.1:0
db = ${join(folder, "inbox.db")}
${source("standard", "standard-webhooks", [SECRETS.old, SECRETS.new])}
${source("svix", "svix", [SECRETS.old, SECRETS.new])}
${source("public", "standard-webhooks", [SECRETS.publicKey])}
${source("stripe", "stripe", [SECRETS.old, SECRETS.new])}
${source("github", "github", [SECRETS.old, SECRETS.new])}
${source("clients", "standard-webhooks", [SECRETS.new], "basic and signature")}
basic = hooks:p@ss:wörd/ %
duplicates = none
[source calendars]
accept = none
event = webinar.created.single
[handler invitations]
type = mail
source = calendars
smtp = smtp://127.0.0.1:${mail.port}
from = Zoë Ünï <webinars@example.com>
concurrency = 4
`);
chmodSync(configuration, 0o600);
const { child, base } = start(usher, ["receive", "--config", configuration]);
try {
  await signatures(await base);
  await clients(await base);
  await calendars(await base, mail);
} catch (error) {
  tally.failed += 1;
  console.log(`FAILED ${error.stack}`);
} finally {
  await stop(child);
  mail.child.kill();
  rmSync(folder, { recursive: true, force: true });
}
conclude();
