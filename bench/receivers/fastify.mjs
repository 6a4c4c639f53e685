// SPDX-License-Identifier: Apache-2.0
// The same handler as in express.mjs, under a faster server.
//
//     API_KEY=KEY node fastify.mjs
import Fastify from "fastify";

const eventType = "webinar.created.single";
const app = Fastify();

function verifyWebhook(request) {
    return request.headers["x-api-key"] === process.env.API_KEY;
}

app.post("/webhook", (request, reply) => {
    const payload = request.body;

    if (!verifyWebhook(request)) {
        return reply.code(401).send("Unauthorized");
    }
    try {
        console.log("Event data:", JSON.stringify(payload, null, 2));
        processWebhookEvent(eventType, payload);
    } catch (error) {
        console.error("Error processing webhook:", error);
    }
    reply.code(200).send("OK");
});

function processWebhookEvent(eventType, payload) {
    console.log(`Processing ${eventType} event for your application`);
}

const address = await app.listen({ port: 0, host: "127.0.0.1", backlog: 4096 });
console.error(`listening on ${address}`);
