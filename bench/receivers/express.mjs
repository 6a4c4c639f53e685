// SPDX-License-Identifier: Apache-2.0
// The example of the platform's own document, as it stands there, with what it leaves open: the
// event, which it never declares, is a constant, and an authentic call has our key.
//
//     API_KEY=KEY node express.mjs
import express from "express";

const eventType = "webinar.created.single";
const app = express();

app.use(express.json());

function verifyWebhook(req) {
    return req.get("x-api-key") === process.env.API_KEY;
}

app.post("/webhook", (req, res) => {
    const payload = req.body;

    // Verify the webhook authenticity (implement based on your security setup)
    if (!verifyWebhook(req)) {
        return res.status(401).send("Unauthorized");
    }

    // Process the webhook event
    try {
        console.log("Event data:", JSON.stringify(payload, null, 2));

        // Your business logic here
        // Process the event data according to your application needs
        processWebhookEvent(eventType, payload);
    } catch (error) {
        console.error("Error processing webhook:", error);
        // You might want to return 500 here depending on your retry policy
    }

    // Acknowledge receipt
    res.status(200).send("OK");
});

function processWebhookEvent(eventType, payload) {
    console.log(`Processing ${eventType} event for your application`);
}

const server = app.listen(0, "127.0.0.1", 4096, () => {
    console.error(`listening on http://127.0.0.1:${server.address().port}`);
});
