/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all loops share of receiving: the setup, and who handles.
 */
#include <stdlib.h>

#include "cli/wire_node.h"
#include "receive/gateway.h"
#include "store/handlers.h"

struct registration {
    struct store_call call;
    struct setup *setup;
    struct walltime now;
    bool is_start;
};

static enum err
registration_run(struct store_call *call, struct engine *engine)
{
    struct registration *self = CONTAINER_OF(call, struct registration, call);
    enum err err = setup_register(self->setup, engine, self->now, &call->error);

    if (err == OK && self->is_start)
        err = handlers_recover(engine, &call->error);
    return err;
}

static enum err
register_setup(struct wire *wire, struct setup *setup, bool is_start, struct error *reterr)
{
    struct registration registration = {
        .call = {.run = registration_run, .writes = true},
        .setup = setup,
        .now = clock_walltime(wire->clock),
        .is_start = is_start,
    };

    if (store_run(wire->store, &registration.call) != OK)
        return error_set(reterr, registration.call.err, "%s", registration.call.error.text);
    return OK;
}

void
wire_hold_inbox(struct wire *wire, struct setup *setup)
{
    wire->setup = setup != NULL ? setup_hold(setup) : NULL;
    setup_holder_init(&wire->setups);
}

enum err
wire_build_inbox(struct wire *wire, struct error *reterr)
{
    enum err err = register_setup(wire, wire->setup, true, reterr);

    if (err == OK)
        setup_holder_set(&wire->setups, wire->setup);
    wire->handle_guard.allow_all = true;
    return err == OK ? handle_set_new(wire->node_count, &wire->handles, reterr) : err;
}

void
wire_start_inbox(struct wire *wire)
{
    handle_setup(wire->handles, wire->setup);
}

void
wire_close_inbox(struct wire *wire)
{
    handle_set_free(wire->handles);
    setup_holder_done(&wire->setups);
    setup_drop(wire->setup);
}

void
wire_wake(struct wire *wire)
{
    if (wire->handles != NULL && wire->stage == WIRE_SERVING)
        handle_wake(wire->handles, NULL, 0);
}

const struct setup *
wire_setup(const struct wire *wire)
{
    return wire->setup;
}

/* --- a new setup ------------------------------------------------------------------------------ */

/* A new setup on its way to a loop. */
struct setup_order {
    struct letter letter;
    struct node *node;
    struct setup *setup; /* held */
};

static void
on_setup_order(struct letter *letter)
{
    struct setup_order *order = CONTAINER_OF(letter, struct setup_order, letter);

    gateway_setup(order->node->gateway, order->setup);
    setup_drop(order->setup);
    free(order);
}

/* Nothing can fail once the first loop was told. */
enum err
wire_reload_inbox(struct wire *wire, struct setup *setup, struct error *reterr)
{
    struct setup_order **orders = calloc(wire->node_count, sizeof(struct setup_order *));
    enum err err = orders != NULL ? OK : error_set(reterr, ERR_NOMEM, "out of memory");

    for (unsigned i = 0; err == OK && i < wire->node_count; i++) {
        orders[i] = calloc(1, sizeof(*orders[i]));
        if (orders[i] == NULL)
            err = error_set(reterr, ERR_NOMEM, "out of memory");
    }
    if (err == OK)
        err = register_setup(wire, setup, false, reterr);
    for (unsigned i = 0; orders != NULL && i < wire->node_count; i++) {
        if (err != OK) {
            free(orders[i]);
            continue;
        }
        *orders[i] = (struct setup_order){
            .letter = {.deliver = on_setup_order},
            .node = &wire->nodes[i],
            .setup = setup_hold(setup),
        };
        mailbox_post(loop_mailbox(wire->nodes[i].loop), &orders[i]->letter);
    }
    free(orders);
    if (err != OK)
        return err;
    handle_setup(wire->handles, setup);
    setup_holder_set(&wire->setups, setup);
    setup_drop(wire->setup);
    wire->setup = setup_hold(setup);
    return OK;
}
