// SPDX-License-Identifier: Apache-2.0
// Invitations that went by mail through a server that is not ours, read by a calendar library that
// is not ours: each field as it was sent, and an update that takes the place of what it updates.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import ICAL from "ical.js";
import { check, checkEqual, skip, within } from "./program.mjs";
import { post } from "./signatures.mjs";

const NAUGHTY = new URL("../../../shared/testdata/blns.json", import.meta.url);
const AT_A_TIME = 16;
const LINK = "https://meet.google.com/abc-defg-hij?a=1&b=%20";
// Titles and names: with what iCalendar writes in its own way, and lines that must be folded.
const TEXTS = [
  "Introduction to Digital Marketing",
  "one, two; three \\ four \\n five",
  "a line\nand another\r\nEND:VEVENT\rBEGIN:VALARM",
  'Zoë "Ünï" O\'Brien: 田中 👩🏽‍🚀',
  "carets: ^n ^' ^^ ^\"",
  "ü".repeat(200),
  "👩🏽‍🚀".repeat(40),
  "a".repeat(74) + "\u20ac".repeat(80),
  " blanks ",
  "\ttab\ttab",
  "BEGIN:VCALENDAR",
  "{{name}}{{#sessions}}",
];

// The system's Python, whose package the server is.
export async function startMailServer() {
  const file = new URL("../e2e/mail_server.py", import.meta.url).pathname;
  const child = spawn("/usr/bin/python3", [file], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const mails = new Map();
  const waiting = new Map();
  const port = within(new Promise((resolve) => {
    lines.on("line", (line) => {
      const found = line.match(/^listening on (\d+)$/);
      if (found) {
        resolve(found[1]);
        return;
      }
      const mail = JSON.parse(line);
      const to = mail.envelope[1].join(" ");
      mails.set(to, [...(mails.get(to) ?? []), mail]);
      waiting.get(to)?.();
    });
  }), "the mail server");
  return {
    child,
    port: await port,
    // The mails to that address, once there are so many.
    arrived: (to, count) => within(new Promise((resolve) => {
      const look = () => {
        if ((mails.get(to) ?? []).length >= count) resolve(mails.get(to));
      };
      waiting.set(to, look);
      look();
    }), `${count} mails to ${to}`),
  };
}

// What iCalendar can say of a text: other control characters than tab and line end it cannot.
// eslint-disable-next-line no-control-regex
const said = (text) => text.replace(/\r\n|\r/g, "\n").replace(/[\0-\x08\x0b-\x1f\x7f]/g, "");
// And as a parameter, which has no quotes. A backslash is nothing but itself there (RFC 5545 §3.2),
// only this library takes it for an escape.
// eslint-disable-next-line no-control-regex
const saidInParameter = (text) => text.replace(/[\0-\x1f\x7f]/g, " ").replaceAll('"', "'")
  .replace(/\\([\\nN;,])/g, (_, c) => (/n/i.test(c) ? "\n" : c));

function session(text, i, hour) {
  return {
    webinar: text,
    webinarId: (0x634fc35d_0000n + BigInt(i)).toString(16).padStart(24, "0"),
    webinarLink: LINK,
    webinarFromTime: `2034-03-15T${hour}:00:00.000Z`,
    webinarToTime: `2034-03-15T${hour}:45:00.000Z`,
    webinarFromTimeInCreatorTimezone: `2034-03-15T${hour + 5}:30:00.000Z`,
    webinarToTimeInCreatorTimezone: `2034-03-15T${hour + 6}:15:00.000Z`,
    creatorTimezone: "+05:30",
  };
}

// The one event of a mail's one calendar.
function eventOf(what, mail) {
  checkEqual(`${what}: one calendar`, mail.calendars.length, 1);
  const calendar = new ICAL.Component(ICAL.parse(mail.calendars[0]));
  checkEqual(`${what}: it is a request`, [calendar.name, calendar.getFirstPropertyValue("method"),
    calendar.getFirstPropertyValue("version"), ...mail.methods], ["vcalendar", "REQUEST", "2.0",
    "REQUEST"]);
  checkEqual(`${what}: nothing else is in it`,
    calendar.getAllSubcomponents().map((one) => one.name), ["vevent"]);
  checkEqual(`${what}: nothing is in the event`,
    calendar.getFirstSubcomponent("vevent").getAllSubcomponents().length, 0);
  check(`${what}: its lines are folded`, mail.calendars[0].split(/\r?\n/)
    .every((line) => Buffer.byteLength(line) <= 75));
  return calendar.getFirstSubcomponent("vevent");
}

function checkEvent(what, component, text, email, hour) {
  const event = new ICAL.Event(component);
  const person = component.getFirstProperty("attendee");
  const organizer = component.getFirstProperty("organizer");

  checkEqual(`${what}: its fields`, {
    summary: event.summary,
    from: event.startDate.toJSDate().toISOString(),
    to: event.endDate.toJSDate().toISOString(),
    zone: event.startDate.zone.tzid,
    url: component.getFirstPropertyValue("url"),
    location: event.location,
    attendee: [person.getParameter("cn") ?? "", person.getFirstValue()],
    organizer: [organizer.getParameter("cn"), organizer.getFirstValue()],
    status: component.getFirstPropertyValue("status"),
  }, {
    summary: said(text),
    from: `2034-03-15T${hour}:00:00.000Z`,
    to: `2034-03-15T${hour}:45:00.000Z`,
    zone: "UTC",
    url: LINK,
    location: LINK,
    attendee: [saidInParameter(text), `mailto:${email}`],
    organizer: ["Zoë Ünï", "mailto:webinars@example.com"],
    status: "CONFIRMED",
  });
}

async function invite(base, mail, text, i) {
  const email = `calendar${i}@example.com`;
  const what = `the invitation to ${JSON.stringify(text)}`;
  const events = [];

  for (const hour of [10, 12]) {
    const body = JSON.stringify({ name: text, email, phone: 1234567890, timezone: "+05:30",
      callList: [session(text, i, hour)], mangoes: "mango1" });
    const answer = await post(base, "/in/calendars", { "content-type": "application/json" }, body,
      {});
    checkEqual(`${what} is taken`, answer.status, 200);
    const mails = await mail.arrived(email, events.length + 1);
    const component = eventOf(what, mails.at(-1));
    checkEvent(what, component, text, email, hour);
    events.push(component);
  }
  const [first, second] = events.map((event) => ({ uid: event.getFirstPropertyValue("uid"),
    sequence: event.getFirstPropertyValue("sequence") }));
  checkEqual(`${what}: an update is the same event`, second.uid, first.uid);
  check(`${what}: and newer`, second.sequence > first.sequence,
    `${first.sequence}, ${second.sequence}`);
  return first.uid;
}

export async function calendars(base, mail) {
  let texts = TEXTS;
  if (existsSync(NAUGHTY)) {
    texts = texts.concat(JSON.parse(readFileSync(NAUGHTY, "utf8")).filter((text) => text !== ""));
  } else {
    skip("naughty strings in calendars", "they are not beside the project");
  }
  const uids = new Set();
  for (let i = 0; i < texts.length; i += AT_A_TIME) {
    const those = texts.slice(i, i + AT_A_TIME);
    const made = await Promise.all(those.map((text, j) => invite(base, mail, text, i + j)));
    for (const uid of made) uids.add(uid);
  }
  checkEqual("every invitation has a UID of its own", uids.size, texts.length);
}
