/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "support/test.h"
#include "support/testdata.h"

static const char *testdata;

static void
assert_hex(const uint8_t *bytes, size_t len, const char *text)
{
    CLEANUP(buf_done) struct buf buf;

    buf_init(&buf, 1000);
    hex_append(&buf, bytes, len);
    assert_string_equal(buf_str(&buf).ptr, text);
}

static void
sha256_gives_the_published_digests(void **state)
{
    uint8_t digest[SHA256_BYTES];

    (void)state;
    assert_int_equal(sha256(STR("abc"), digest), OK);
    assert_hex(digest, sizeof(digest),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(sha256((struct str){NULL, 0}, digest), OK);
    assert_hex(digest, sizeof(digest),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void
a_digest_is_written_with_its_name(void **state)
{
    struct arena arena;
    uint8_t digest[SHA256_BYTES];

    (void)state;
    arena_init(&arena, 100);
    assert_int_equal(sha256(STR("abc"), digest), OK);
    assert_true(str_equals(sha256_text(digest, &arena),
        STR("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")));
    assert_false(arena_is_full(&arena));
    assert_null(sha256_text(digest, &arena).ptr);
    assert_true(arena_is_full(&arena));
    arena_done(&arena);
}

static void
a_kept_context_gives_the_same_digests_again_and_again(void **state)
{
    CLEANUP(sha256_freep) struct sha256 *context = NULL;
    uint8_t digest[SHA256_BYTES];

    (void)state;
    assert_int_equal(sha256_new(&context), OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sha256_make(context, STR("abc"), digest), OK);
        assert_hex(digest, sizeof(digest),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_int_equal(sha256_make(context, (struct str){NULL, 0}, digest), OK);
        assert_hex(digest, sizeof(digest),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

/* RFC 4231, case 2, cut in every way that two cuts allow. */
static void
pieces_are_signed_as_the_text_they_make(void **state)
{
    CLEANUP(hmac_freep) struct hmac *hmac = NULL;
    const struct str text = STR("what do ya want for nothing?");
    uint8_t tag[HMAC_BYTES_MAX];

    (void)state;
    assert_int_equal(hmac_new("Jefe", 4, &hmac), OK);
    for (size_t i = 0; i <= text.len; i++) {
        for (size_t j = i; j <= text.len; j++) {
            const struct str pieces[] = {str_slice(text, 0, i), str_slice(text, i, j), {NULL, 0},
                str_slice(text, j, text.len)};

            assert_int_equal(hmac_sign_pieces(hmac, pieces, COUNT_OF(pieces), tag), OK);
            assert_hex(tag, hmac_bytes(hmac),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        }
    }
}

/* RFC 4231, cases 2 and 1, with the object used again and again. */
static void
one_key_signs_many_times(void **state)
{
    CLEANUP(hmac_freep) struct hmac *hmac = NULL;
    uint8_t tag[SHA256_BYTES];
    uint8_t other[SHA256_BYTES];

    (void)state;
    assert_int_equal(hmac_new("Jefe", 4, &hmac), OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(hmac_sign(hmac, STR("what do ya want for nothing?"), tag), OK);
        assert_hex(tag, sizeof(tag),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_int_equal(hmac_sign(hmac, STR("else"), other), OK);
        assert_memory_not_equal(tag, other, sizeof(tag));
    }
}

static void
an_empty_key_is_a_key(void **state)
{
    CLEANUP(hmac_freep) struct hmac *hmac = NULL;
    uint8_t tag[SHA256_BYTES];

    (void)state;
    assert_int_equal(hmac_new(NULL, 0, &hmac), OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hmac_sign(hmac, (struct str){NULL, 0}, tag), OK);
        assert_hex(tag, sizeof(tag),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    }
}

/* RFC 8032, section 7.1, test 2. */
static void
a_seed_signs_and_its_public_key_verifies(void **state)
{
    CLEANUP(ed25519_freep) struct ed25519 *pair = NULL;
    CLEANUP(ed25519_freep) struct ed25519 *public = NULL;
    uint8_t seed[ED25519_SEED_BYTES];
    uint8_t public_bytes[ED25519_PUBLIC_BYTES];
    uint8_t signature[ED25519_SIGNED_BYTES];
    struct str signed_text = {(const char *)signature, sizeof(signature)};
    size_t len;

    (void)state;
    assert_int_equal(
        hex_decode(STR("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), seed,
            sizeof(seed), &len),
        OK);
    assert_int_equal(ed25519_new(seed, &pair), OK);
    assert_int_equal(ed25519_public(pair, public_bytes), OK);
    assert_hex(public_bytes, sizeof(public_bytes),
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_int_equal(ed25519_new_public(public_bytes, &public), OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ed25519_sign(pair, STR("r"), signature), OK);
        assert_hex(signature, sizeof(signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
        assert_int_equal(ed25519_verify(public, STR("r"), signed_text), OK);
        assert_int_equal(ed25519_verify(pair, STR("r"), signed_text), OK);
        assert_int_equal(ed25519_verify(public, STR("s"), signed_text), ERR_DENIED);
        signature[i] ^= 1;
        assert_int_equal(ed25519_verify(public, STR("r"), signed_text), ERR_DENIED);
    }
    signed_text.len--;
    assert_int_equal(ed25519_verify(public, STR("r"), signed_text), ERR_DENIED);
}

static struct str
hex_field(struct arena *arena, const struct json *object, const char *name)
{
    const struct json *field = json_find(object, str_from(name));
    char *bytes;
    size_t len = 0;

    assert_non_null(field);
    bytes = arena_alloc(arena, field->text.len / 2 + 1);
    assert_non_null(bytes);
    assert_int_equal(hex_decode(field->text, bytes, field->text.len / 2, &len), OK);
    return (struct str){bytes, len};
}

static const struct json *
read_vectors(const char *name, struct arena *arena)
{
    CLEANUP(buf_done) struct buf buf;
    char path[PATH_MAX];
    struct json *tree = NULL;
    struct error error;

    arena_init(arena, (size_t)16 * 1024 * 1024);
    buf_init(&buf, 1024 * 1024);
    testdata_read(testdata_path(testdata, name, path), &buf);
    assert_int_equal(json_parse(buf_str(&buf), arena, &tree, &error), OK);
    return json_find(tree, STR("testGroups"))->first;
}

static bool
is_valid(const struct json *vector)
{
    return str_equals(json_find(vector, STR("result"))->text, STR("valid"));
}

static void
hmac_agrees_with_the_vectors(void **state)
{
    struct arena arena;
    int count = 0;

    (void)state;
    for (const struct json *group = read_vectors("wycheproof/hmac_sha256_test.json", &arena);
         group != NULL; group = group->next) {
        const struct json *it = json_find(group, STR("tests"))->first;

        for (; it != NULL; it = it->next, count++) {
            CLEANUP(hmac_freep) struct hmac *hmac = NULL;
            struct str key = hex_field(&arena, it, "key");
            struct str expected = hex_field(&arena, it, "tag");
            struct str bytes = hex_field(&arena, it, "msg");
            uint8_t tag[SHA256_BYTES];
            uint8_t again[HMAC_BYTES_MAX];

            assert_int_equal(hmac_new(key.ptr, key.len, &hmac), OK);
            assert_int_equal(hmac_sign(hmac, bytes, tag), OK);
            assert_int_equal(hmac_sign_pieces(hmac, &bytes, 1, again), OK);
            assert_memory_equal(again, tag, sizeof(tag));
            assert_in_range(expected.len, 16, sizeof(tag));
            assert_int_equal(equals_constant_time(tag, expected.ptr, expected.len), is_valid(it));
        }
    }
    assert_int_equal(count, 174);
    arena_done(&arena);
}

/* RFC 2202 and RFC 4231: cases 2 and 6, the second with a key that is longer than a block. */
static void
hmac_knows_other_digests(void **state)
{
    static const struct {
        enum hmac_digest digest;
        size_t len;
        size_t long_key_len;
        const char *of_jefe;
        const char *of_long_key;
    } table[] = {
        {HMAC_SHA1, SHA1_BYTES, 80, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
        {HMAC_SHA256, SHA256_BYTES, 131,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {HMAC_SHA512, SHA512_BYTES, 131,
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
            "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
            "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
    };
    const struct str text = STR("what do ya want for nothing?");
    const struct str long_text = STR("Test Using Larger Than Block-Size Key - Hash Key First");
    uint8_t key[131];
    uint8_t tag[HMAC_BYTES_MAX];

    memset(key, 0xaa, sizeof(key));
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        CLEANUP(hmac_freep) struct hmac *jefe = NULL;
        CLEANUP(hmac_freep) struct hmac *larger = NULL;

        assert_int_equal(hmac_new_with(table[i].digest, "Jefe", 4, &jefe), OK);
        assert_int_equal(hmac_bytes(jefe), table[i].len);
        assert_int_equal(hmac_sign_pieces(jefe, &text, 1, tag), OK);
        assert_hex(tag, table[i].len, table[i].of_jefe);
        assert_int_equal(hmac_new_with(table[i].digest, key, table[i].long_key_len, &larger), OK);
        assert_int_equal(hmac_sign_pieces(larger, &long_text, 1, tag), OK);
        assert_hex(tag, table[i].len, table[i].of_long_key);
    }
    (void)state;
}

static void
ed25519_agrees_with_the_vectors(void **state)
{
    struct arena arena;
    int count = 0;

    (void)state;
    for (const struct json *group = read_vectors("wycheproof/ed25519_test.json", &arena);
         group != NULL; group = group->next) {
        CLEANUP(ed25519_freep) struct ed25519 *key = NULL;
        const struct json *it = json_find(group, STR("tests"))->first;
        struct str bytes = hex_field(&arena, json_find(group, STR("publicKey")), "pk");

        assert_int_equal(bytes.len, ED25519_PUBLIC_BYTES);
        assert_int_equal(ed25519_new_public((const uint8_t *)bytes.ptr, &key), OK);
        for (; it != NULL; it = it->next, count++)
            assert_int_equal(
                ed25519_verify(key, hex_field(&arena, it, "msg"), hex_field(&arena, it, "sig")),
                is_valid(it) ? OK : ERR_DENIED);
    }
    assert_int_equal(count, 151);
    arena_done(&arena);
}

/* The GCM specification, test case 16, with its tag behind and its nonce in front. */
static void
sealing_is_aes_256_gcm(void **state)
{
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t nonce[12];
    uint8_t bound[20];
    uint8_t plain[60];
    uint8_t sealed[sizeof(plain) + SEAL_OVERHEAD_BYTES];
    size_t len;

    (void)state;
    assert_int_equal(
        hex_decode(STR("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"), key,
            sizeof(key), &len),
        OK);
    assert_int_equal(hex_decode(STR("cafebabefacedbaddecaf888"), nonce, sizeof(nonce), &len), OK);
    assert_int_equal(
        hex_decode(STR("feedfacedeadbeeffeedfacedeadbeefabaddad2"), bound, sizeof(bound), &len),
        OK);
    assert_int_equal(hex_decode(STR("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a31"
                                    "8a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"),
                         plain, sizeof(plain), &len),
        OK);
    assert_int_equal(seal(key, nonce, (struct str){(const char *)bound, sizeof(bound)},
                         (struct str){(const char *)plain, sizeof(plain)}, sealed),
        OK);
    assert_hex(sealed, sizeof(sealed),
        "cafebabefacedbaddecaf888522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
}

static void
what_was_sealed_opens_only_as_it_was(void **state)
{
    uint8_t key[SEAL_KEY_BYTES] = {1};
    uint8_t nonce[12] = {2};
    uint8_t sealed[6 + SEAL_OVERHEAD_BYTES];
    struct str text = {(const char *)sealed, sizeof(sealed)};
    uint8_t opened[6] = {0};
    const uint8_t wiped[6] = {0};

    (void)state;
    assert_int_equal(seal(key, nonce, STR("hook 1"), STR("secret"), sealed), OK);
    assert_int_equal(seal_open(key, STR("hook 1"), text, opened), OK);
    assert_memory_equal(opened, "secret", 6);

    assert_int_equal(seal_open(key, STR("hook 2"), text, opened), ERR_DENIED);
    assert_memory_equal(opened, wiped, 6);
    assert_int_equal(seal_open(key, STR("hook 1"), str_slice(text, 0, text.len - 1), opened),
        ERR_DENIED);
    assert_int_equal(seal_open(key, STR("hook 1"), str_slice(text, 0, 27), opened), ERR_DENIED);
    for (size_t i = 0; i < sizeof(sealed); i++) {
        sealed[i] ^= 0x80;
        assert_int_equal(seal_open(key, STR("hook 1"), text, opened), ERR_DENIED);
        sealed[i] ^= 0x80;
    }
    key[31] = 1;
    assert_int_equal(seal_open(key, STR("hook 1"), text, opened), ERR_DENIED);
}

static void
an_empty_secret_can_be_sealed(void **state)
{
    const uint8_t key[SEAL_KEY_BYTES] = {1};
    const uint8_t nonce[12] = {2};
    uint8_t sealed[SEAL_OVERHEAD_BYTES];
    uint8_t opened[1];
    struct str text = {(const char *)sealed, sizeof(sealed)};

    (void)state;
    assert_int_equal(seal(key, nonce, STR(""), (struct str){NULL, 0}, sealed), OK);
    assert_int_equal(seal_open(key, (struct str){NULL, 0}, text, opened), OK);
    assert_int_equal(seal_open(key, STR("x"), text, opened), ERR_DENIED);
}

static void
secrets_are_compared_and_wiped(void **state)
{
    char secret[] = "secret";

    (void)state;
    assert_true(equals_constant_time(secret, "secret", 6));
    assert_false(equals_constant_time(secret, "secreT", 6));
    assert_true(equals_constant_time("a", "b", 0));
    wipe(secret, sizeof(secret));
    assert_memory_equal(secret, "\0\0\0\0\0\0", 7);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_published_digests),
        cmocka_unit_test(a_digest_is_written_with_its_name),
        cmocka_unit_test(a_kept_context_gives_the_same_digests_again_and_again),
        cmocka_unit_test(pieces_are_signed_as_the_text_they_make),
        cmocka_unit_test(one_key_signs_many_times),
        cmocka_unit_test(an_empty_key_is_a_key),
        cmocka_unit_test(a_seed_signs_and_its_public_key_verifies),
        cmocka_unit_test(hmac_agrees_with_the_vectors),
        cmocka_unit_test(hmac_knows_other_digests),
        cmocka_unit_test(ed25519_agrees_with_the_vectors),
        cmocka_unit_test(sealing_is_aes_256_gcm),
        cmocka_unit_test(what_was_sealed_opens_only_as_it_was),
        cmocka_unit_test(an_empty_secret_can_be_sealed),
        cmocka_unit_test(secrets_are_compared_and_wiped),
    };

    testdata = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
