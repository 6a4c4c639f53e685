/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/receive_init.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"
#include "os/files.h"
#include "os/random.h"

#define INIT_BYTES_MAX   (64 * 1024)
#define INIT_DB          "inbox.db"
#define TOKEN_BYTES      32 /* at random: 43 characters that nobody guesses */
#define TOKEN_TEXT_BYTES 64

/* Parts of the file that nothing is put into. */
static const char source_head[] =
    "\n"
    "# Who may call. This sender proves itself by the token at the end of the address that it was\n"
    "# given; of the token only the digest stands here. A sender that signs is a section like\n"
    "#\n"
    "#     [source NAME]\n"
    "#     accept = signature\n"
    "#     signature = standard-webhooks\n"
    "#     secret = whsec_...\n"
    "#\n"
    "# \"usher help --example\" lists all that can be set.\n"
    "[source webinars]\n"
    "event = webinar.created.single\n"
    "accept = token\n";

static const char handlers[] =
    "\n"
    "# What is done with what came: each person's latest data in a database of its own.\n"
    "[handler attendees]\n"
    "type = sql\n"
    "database = attendees.db\n"
    "create = yes\n"
    "\n"
    "# A program, with the call's body at its standard input.\n"
    "#[handler program]\n"
    "#type = exec\n"
    "#command = /usr/local/bin/on-webinar\n"
    "\n"
    "# Another address, signed anew, at most five a second.\n"
    "#[handler forward]\n"
    "#type = http\n"
    "#url = http://127.0.0.1:3000/webinars\n"
    "#rate = 5\n"
    "\n"
    "# An e-mail to who attends, with the appointment.\n"
    "#[handler invitation]\n"
    "#type = mail\n"
    "#smtp = smtp://127.0.0.1:25\n"
    "#from = Webinars <webinars@example.com>\n"
    "#subject = Your webinar\n";

struct init {
    const struct config *config;
    struct str base; /* public-url without the slash at its end */
    char token[TOKEN_TEXT_BYTES];
    char token_hash[2 * SHA256_BYTES + 1];
};

static enum err
make_token(struct init *init, struct error *reterr)
{
    uint8_t random[TOKEN_BYTES];
    uint8_t hash[SHA256_BYTES];
    enum err err = OK;
    struct buf text;

    random_bytes(random, sizeof(random));
    buf_init(&text, TOKEN_TEXT_BYTES + 2 * SHA256_BYTES);
    base64url_append(&text, random, sizeof(random));
    wipe(random, sizeof(random));
    (void)snprintf(init->token, sizeof(init->token), "%.*s", STR_FMT(buf_str(&text)));
    if (!buf_is_full(&text))
        err = sha256(buf_str(&text), hash);
    buf_clear(&text);
    hex_append(&text, hash, sizeof(hash));
    (void)snprintf(init->token_hash, sizeof(init->token_hash), "%.*s", STR_FMT(buf_str(&text)));
    if (err == OK && text.len != 2 * SHA256_BYTES)
        err = ERR_NOMEM;
    buf_done(&text);
    return err == OK ? OK : error_set(reterr, err, "cannot make a token");
}

static void
write_file(const struct init *init, struct buf *file)
{
    const struct config *config = init->config;
    bool has_db = config->origins[CONFIG_db] != CONFIG_DEFAULT;

    buf_append_literal(file, "# Settings of \"usher receive\"; see usher(1). After a change: kill "
                             "-HUP, or start again.\n"
                             "\n"
                             "# Where calls are taken; the public address leads here.\n");
    buf_printf(file, "listen = %s\n", config->listen);
    buf_printf(file, "public-url = %.*s\n", STR_FMT(init->base));
    buf_append_literal(file, "\n# Made at the first start.\n");
    buf_printf(file, "db = %s\n", has_db ? config->db : INIT_DB);
    buf_append_literal(file,
        "\n"
        "# A reverse proxy in front says who calls; without this, every call is the proxy's.\n"
        "#trusted-proxy = 127.0.0.1\n");
    buf_append_str(file, str_from(source_head));
    buf_printf(file, "token-sha256 = %s\n", init->token_hash);
    buf_append_str(file, str_from(handlers));
}

static void
write_advice(const struct init *init, struct buf *say)
{
    const char *file = init->config->file;
    bool is_usual = strcmp(file, RECEIVE_FILE) == 0;

    buf_printf(say,
        "%s is written, with one source, \"webinars\", and one handler, \"attendees\", which "
        "keeps\n"
        "who attends what in attendees.db. The address to be called, shown only now, is\n"
        "\n"
        "    %.*s/in/webinars/%s\n"
        "\n",
        file, STR_FMT(init->base), init->token);
    buf_printf(say,
        "Tell the sender, with your key there in USHER_API_KEY:\n"
        "\n"
        "    usher subscribe --api https://SENDER --event webinar.created.single \\\n"
        "      --hook-url %.*s/in/webinars/%s\n"
        "\n"
        "or, from a machine without usher:\n"
        "\n"
        "    curl -X 'POST' 'https://SENDER/api/v1/integration/webhook/webhook' "
        "\\\n"
        "      -H 'accept: application/json' -H 'x-api-key: KEY' -H 'Content-Type: "
        "application/json' \\\n"
        "      -d '{\"hookUrl\":\"%.*s/in/webinars/%s\",\"event\":\"webinar.created.single\"}'\n"
        "\n",
        STR_FMT(init->base), init->token, STR_FMT(init->base), init->token);
    buf_printf(say,
        "Let %.*s lead to %s on this machine (a reverse proxy or a tunnel), and start:\n"
        "\n"
        "    usher receive%s%s\n",
        STR_FMT(init->base), init->config->listen, is_usual ? "" : " --config ",
        is_usual ? "" : file);
}

enum err
receive_init(const struct config *config, struct buf *say, struct error *reterr)
{
    struct init init = {.config = config, .base = str_from(config->public_url)};
    struct buf file;
    enum err err;

    if (config->public_url == NULL)
        return error_set(reterr, ERR_INVALID,
            "--init needs --public-url https://HOST, the address that senders can reach");
    while (str_ends(init.base, STR("/")))
        init.base = str_slice(init.base, 0, init.base.len - 1);
    err = make_token(&init, reterr);
    if (err != OK)
        return err;
    buf_init(&file, INIT_BYTES_MAX);
    write_file(&init, &file);
    err = buf_is_full(&file) ? error_set(reterr, ERR_NOMEM, "out of memory")
                             : file_create_secret(config->file, buf_str(&file), reterr);
    if (err == ERR_CONFLICT)
        (void)error_set(reterr, err,
            "%s is there already, and stays as it is: move it away, or name another with --config",
            config->file);
    if (err == OK)
        write_advice(&init, say);
    wipe(init.token, sizeof(init.token));
    buf_done(&file);
    return err;
}
