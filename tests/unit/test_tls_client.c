/* A client is what its files say, not what they are called; and a name is checked as a name, an address as an address. */
#include "tests/unit/tls_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "steady/fault.h"
#include "tls/client.h"
#include "tls/server.h"

struct files {
    char authority[64], other[64], copy[64], cert[64], key[64], cert_2[64], key_2[64], chain[64],
        empty[64], broken[64];
};

static struct files files;
static EVP_PKEY *server_key;
static X509 *server_certificate;

static FILE *create(char path[64])
{
    snprintf(path, 64, "/tmp/evenkeel-tls-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    return fdopen(fd, "w");
}

static void write_certificate(char path[64], X509 *certificate)
{
    FILE *file = create(path);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
}

static void write_pair(char cert_path[64], char key_path[64])
{
    EVP_PKEY *key = rig_key();
    X509 *certificate = rig_certificate(key, "proxy");
    write_certificate(cert_path, certificate);
    FILE *file = create(key_path);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void append_file(FILE *file, const char *path)
{
    char room[4096];
    FILE *from = fopen(path, "r");
    size_t bytes = fread(room, 1, sizeof room, from);
    assert_int_equal(fwrite(room, 1, bytes, file), bytes);
    fclose(from);
}

/* The first of the certificates as before, with another behind it. */
static void write_chain(char path[64], const char *cert, const char *issuer)
{
    FILE *file = create(path);
    append_file(file, cert);
    append_file(file, issuer);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    server_key = rig_key();
    server_certificate = rig_certificate(server_key, "app.test");
    EVP_PKEY *other_key = rig_key();
    X509 *other = rig_certificate(other_key, "app.test");
    write_certificate(files.authority, server_certificate);
    write_certificate(files.copy, server_certificate);
    write_certificate(files.other, other);
    write_pair(files.cert, files.key);
    write_pair(files.cert_2, files.key_2);
    write_chain(files.chain, files.cert, files.authority);
    fclose(create(files.empty));
    FILE *file = create(files.broken);
    fputs("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", file);
    fclose(file);
    X509_free(other);
    EVP_PKEY_free(other_key);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char(*const paths)[64] = (char(*)[64])(void *)&files;
    for (size_t i = 0; i < sizeof files / 64; i++) {
        unlink(paths[i]);
    }
    X509_free(server_certificate);
    EVP_PKEY_free(server_key);
    return 0;
}

static struct upstream_tls_settings settings_of(const char *ca, const char *cert, const char *key)
{
    return (struct upstream_tls_settings){
        .enabled = true, .server_name = "", .verify = true, .ca = ca, .cert = cert, .key = key};
}

static struct tls_client *obtain(struct tls_clients *clients,
                                 const struct upstream_tls_settings *settings)
{
    struct tls_client *client = NULL;
    char why[256] = "";
    if (tls_client_obtain(clients, settings, &client, why, sizeof why) != TLS_CLIENT_OK) {
        fail_msg("%s", why);
    }
    return client;
}

static void every_part_of_the_trust_makes_another_client(void **state)
{
    struct bound_registry registry;
    (void)state;
    bound_registry_init(&registry);
    struct tls_clients *clients = tls_clients_create(&registry);
    struct upstream_tls_settings different[] = {
        settings_of(files.authority, "", ""),
        settings_of(files.authority, "", ""),
        settings_of(files.other, "", ""),
        settings_of("", "", ""),
        settings_of(files.authority, files.cert, files.key),
        settings_of(files.authority, files.cert_2, files.key_2),
        settings_of(files.authority, files.chain, files.key),
    };
    enum { COUNT = sizeof different / sizeof different[0] };
    struct tls_client *made[COUNT];
    struct tls_target targets[COUNT];
    const struct sockaddr_in address = {.sin_family = AF_INET};
    different[1].verify = false;
    for (size_t i = 0; i < COUNT; i++) {
        made[i] = obtain(clients, &different[i]);
        assert_true(tls_target_init(&targets[i], made[i], "app.test", 443, TLS_OFFER_HTTP1,
                                    (const struct sockaddr *)&address, NULL));
        for (size_t j = 0; j < i; j++) {
            assert_ptr_not_equal(made[i], made[j]);
            assert_memory_not_equal(&targets[i].key, &targets[j].key, sizeof targets[i].key);
        }
    }
    struct tls_target offers_more;
    assert_true(tls_target_init(&offers_more, made[0], "app.test", 443, TLS_OFFER_BOTH,
                                (const struct sockaddr *)&address, NULL));
    assert_memory_not_equal(&offers_more.key, &targets[0].key, sizeof offers_more.key);
    tls_target_release(&offers_more);
    struct upstream_tls_settings same = settings_of(files.copy, "", "");
    struct tls_client *copy = obtain(clients, &same);
    assert_ptr_equal(copy, made[0]);
    tls_client_put(&copy);
    for (size_t i = 0; i < COUNT; i++) {
        tls_target_release(&targets[i]);
        tls_client_put(&made[i]);
    }
    tls_clients_free(&clients);
    assert_int_equal(registry.count, 0);
}

static void set_mtime(const char *path, time_t seconds)
{
    const struct timespec both[] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, path, both, 0), 0);
}

/* Its certificates are read when they are needed: what is known of them before is path, size and time. */
static void the_system_s_trust_is_another_once_its_file_is(void **state)
{
    struct bound_registry registry;
    const struct upstream_tls_settings settings = settings_of("", "", "");
    struct tls_client *made[4];
    char file[64], same[64];
    (void)state;
    bound_registry_init(&registry);
    struct tls_clients *clients = tls_clients_create(&registry);
    write_chain(file, files.authority, files.other);
    write_chain(same, files.authority, files.other);
    set_mtime(file, 1000);
    set_mtime(same, 1000);
    setenv("SSL_CERT_FILE", file, 1);
    made[0] = obtain(clients, &settings);
    struct tls_client *again = obtain(clients, &settings);
    assert_ptr_equal(again, made[0]);
    tls_client_put(&again);
    setenv("SSL_CERT_FILE", same, 1);
    made[1] = obtain(clients, &settings);
    setenv("SSL_CERT_FILE", file, 1);
    set_mtime(file, 1001);
    made[2] = obtain(clients, &settings);
    assert_int_equal(truncate(file, 1), 0);
    set_mtime(file, 1000);
    made[3] = obtain(clients, &settings);
    unsetenv("SSL_CERT_FILE");
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++) {
            assert_ptr_not_equal(made[i], made[j]);
        }
    }
    for (int i = 0; i < 4; i++) {
        tls_client_put(&made[i]);
    }
    tls_clients_free(&clients);
    unlink(file);
    unlink(same);
}

static void a_file_that_cannot_be_used_is_named(void **state)
{
    const struct {
        struct upstream_tls_settings settings;
        const char *words;
    } cases[] = {
        {settings_of("/nowhere", "", ""), "tls.ca /nowhere: No such file"},
        {settings_of(files.empty, "", ""), "no certificate in it"},
        {settings_of(files.broken, "", ""), "tls.ca"},
        {settings_of(files.key, "", ""), "no certificate in it"},
        {settings_of("", "/nowhere", files.key), "tls.cert: "},
        {settings_of("", files.cert, files.key_2), "tls.cert: "},
        {settings_of("", files.cert, files.empty), "tls.cert: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_client *client = NULL;
        char why[512] = "";
        assert_int_equal(tls_client_obtain(NULL, &cases[i].settings, &client, why, sizeof why),
                         TLS_CLIENT_BAD_FILE);
        if (strstr(why, cases[i].words) == NULL) {
            fail_msg("\"%s\" is not in: %s", cases[i].words, why);
        }
        assert_null(client);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

/* ---- handshakes ---- */

struct talk {
    struct rig rig;
    struct bound_registry registry;
    struct tls_clients *clients;
    struct tls_target target;
};

/* The rig's client end is one of ours, towards a server with server_certificate. */
static void begin_talk(struct talk *talk, const char *name, int version)
{
    memset(talk, 0, sizeof *talk);
    rig_open(&talk->rig, version);
    SSL_CTX_use_certificate(talk->rig.server_side, server_certificate);
    SSL_CTX_use_PrivateKey(talk->rig.server_side, server_key);
    bound_registry_init(&talk->registry);
    talk->clients = tls_clients_create(&talk->registry);
    const struct session_limits limits = {100, 4, 1u << 20, 3600 * 1000};
    session_cache_set_limits(tls_clients_sessions(talk->clients), &limits, 1);
    const struct upstream_tls_settings settings = settings_of(files.authority, "", "");
    struct tls_client *client = obtain(talk->clients, &settings);
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(tls_target_init(&talk->target, client, name, 443, TLS_OFFER_HTTP1,
                                (const struct sockaddr *)&address, NULL));
    tls_client_put(&client);
}

static void end_talk(struct talk *talk)
{
    rig_close(&talk->rig);
    tls_target_release(&talk->target);
    tls_clients_free(&talk->clients);
    assert_int_equal(talk->registry.count, 0);
}

static void connect_anew(struct talk *talk)
{
    int fds[2];
    struct rig *rig = &talk->rig;
    stream_close(&rig->server, false);
    stream_close(&rig->client, false);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    stream_init(&rig->server, fds[0]);
    stream_init(&rig->client, fds[1]);
    assert_true(stream_start_tls(&rig->server, rig_ssl(rig->server_side, true), rig->room));
    assert_true(tls_client_begin(&talk->target, &rig->client, rig->room));
}

static enum stream_result shake(struct rig *rig)
{
    enum stream_result client = STREAM_BLOCKED, server = STREAM_BLOCKED;
    for (int i = 0; i < 10 && client == STREAM_BLOCKED; i++) {
        client = stream_handshake(&rig->client);
        if (server == STREAM_BLOCKED) {
            server = stream_handshake(&rig->server);
        }
    }
    if (server == STREAM_BLOCKED) {
        (void)!stream_handshake(&rig->server); /* it hears of what the client found */
    }
    return client;
}

static enum tls_failure failure_for(const char *name)
{
    struct talk talk;
    begin_talk(&talk, name, TLS1_3_VERSION);
    connect_anew(&talk);
    enum stream_result result = shake(&talk.rig);
    (void)tls_client_finish(&talk.rig.client, result == STREAM_OK);
    enum tls_failure failure = stream_failure(&talk.rig.client);
    assert_int_equal(result == STREAM_OK, failure == TLS_FAILURE_NONE);
    end_talk(&talk);
    return failure;
}

static void names_are_asked_for_and_addresses_are_not(void **state)
{
    const struct {
        const char *name, *asked;
    } cases[] = {{"app.test", "app.test"}, {"app.test.", "app.test"}, {"127.0.0.1", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk talk;
        begin_talk(&talk, cases[i].name, TLS1_2_VERSION);
        connect_anew(&talk);
        enum stream_result client = stream_handshake(&talk.rig.client);
        enum stream_result server = stream_handshake(&talk.rig.server);
        assert_true(client == STREAM_BLOCKED && server == STREAM_BLOCKED);
        const char *asked = tls_agreement(&talk.rig.server).name;
        assert_int_equal(asked == NULL, cases[i].asked == NULL);
        if (asked != NULL) {
            assert_string_equal(asked, cases[i].asked);
        }
        end_talk(&talk);
    }
}

static void the_name_is_checked(void **state)
{
    (void)state;
    assert_int_equal(failure_for("app.test"), TLS_FAILURE_NONE);
    assert_int_equal(failure_for("App.Test."), TLS_FAILURE_NONE);
    assert_int_equal(failure_for("b.test"), TLS_FAILURE_WRONG_NAME);
    assert_int_equal(failure_for("a.app.test"), TLS_FAILURE_WRONG_NAME);
    assert_int_equal(failure_for("127.0.0.1"), TLS_FAILURE_WRONG_NAME);
    assert_int_equal(failure_for("::1"), TLS_FAILURE_WRONG_NAME);
}

static void names_that_cannot_be_asked_for_make_no_target(void **state)
{
    struct bound_registry registry;
    struct tls_target target;
    char name[300];
    (void)state;
    bound_registry_init(&registry);
    struct tls_clients *clients = tls_clients_create(&registry);
    const struct upstream_tls_settings settings = settings_of(files.authority, "", "");
    struct tls_client *client = obtain(clients, &settings);
    const struct sockaddr_in address = {.sin_family = AF_INET};
    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_false(tls_target_init(&target, client, name, 443, TLS_OFFER_HTTP1,
                                 (const struct sockaddr *)&address, NULL));
    assert_false(tls_target_init(&target, client, "", 443, TLS_OFFER_HTTP1,
                                 (const struct sockaddr *)&address, NULL));
    assert_false(tls_target_init(&target, client, ".", 443, TLS_OFFER_HTTP1,
                                 (const struct sockaddr *)&address, NULL));
    tls_client_put(&client);
    tls_clients_free(&clients);
}

static void resume_at(int version)
{
    struct talk talk;
    char byte;
    begin_talk(&talk, "app.test", version);
    for (int i = 0; i < 3; i++) {
        connect_anew(&talk);
        assert_int_equal(shake(&talk.rig), STREAM_OK);
        assert_int_equal(tls_client_finish(&talk.rig.client, true), i > 0);
        assert_true(tls_client_confirmed(&talk.rig.client));
        size_t got;
        assert_int_equal(stream_recv(&talk.rig.client, &byte, 1, &got), STREAM_BLOCKED);
    }
    struct session_figures figures;
    session_cache_figures(tls_clients_sessions(talk.clients), &figures);
    assert_int_equal(figures.offered, 2);
    assert_int_equal(figures.accepted, 2);
    end_talk(&talk);
}

static void the_next_connection_resumes(void **state)
{
    (void)state;
    resume_at(TLS1_2_VERSION);
    resume_at(TLS1_3_VERSION);
}

static void count_entries(const struct session_name_figures *figures, void *owner)
{
    *(uint64_t *)owner += figures->entries;
}

/* The certificate of the rig is good for an hour: a session of it is not kept for longer. */
static void a_session_does_not_outlive_the_certificate(void **state)
{
    struct talk talk;
    char byte;
    size_t got;
    uint64_t count = 0;
    struct timespec now;
    (void)state;
    begin_talk(&talk, "app.test", TLS1_3_VERSION);
    const struct session_limits limits = {100, 4, 1u << 20, 7ull * 24 * 3600 * 1000};
    struct session_cache *cache = tls_clients_sessions(talk.clients);
    session_cache_set_limits(cache, &limits, 1);
    SSL_CTX_set_timeout(talk.rig.server_side, 7L * 24 * 3600);
    for (int i = 0; i < 2; i++) { /* what a resumed connection brings neither */
        connect_anew(&talk);
        assert_int_equal(shake(&talk.rig), STREAM_OK);
        assert_int_equal(tls_client_finish(&talk.rig.client, true), i > 0);
        assert_int_equal(stream_recv(&talk.rig.client, &byte, 1, &got), STREAM_BLOCKED);
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000;
    session_cache_sweep(cache, now_ms + 3500 * 1000);
    session_cache_each_name(cache, count_entries, &count);
    assert_true(count >= 2);
    count = 0;
    session_cache_sweep(cache, now_ms + 3602 * 1000);
    session_cache_each_name(cache, count_entries, &count);
    assert_int_equal(count, 0);
    end_talk(&talk);
}

#ifdef EVENKEEL_FAULT_INJECTION

static void each_failing_allocation_leaves_nothing(void **state)
{
    bool struck = true;
    (void)state;
    for (uint64_t n = 1; struck; n++) {
        struct talk talk;
        begin_talk(&talk, "app.test", TLS1_3_VERSION);
        stream_close(&talk.rig.client, false);
        int fds[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        close(fds[0]);
        stream_init(&talk.rig.client, fds[1]);
        fault_arm(FAULT_ALLOC, n);
        bool begun = tls_client_begin(&talk.target, &talk.rig.client, talk.rig.room);
        struck = fault_disarm(FAULT_ALLOC);
        assert_int_equal(begun, !struck);
        end_talk(&talk);
    }
    struck = true;
    for (uint64_t n = 1; struck; n++) {
        const struct upstream_tls_settings settings = settings_of(files.authority, "", "");
        struct tls_client *client = NULL;
        char why[256];
        fault_arm(FAULT_ALLOC, n);
        enum tls_client_result result =
            tls_client_obtain(NULL, &settings, &client, why, sizeof why);
        struck = fault_disarm(FAULT_ALLOC);
        assert_int_equal(result == TLS_CLIENT_OK, !struck);
        tls_client_put(&client);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_the_trust_makes_another_client),
        cmocka_unit_test(the_system_s_trust_is_another_once_its_file_is),
        cmocka_unit_test(a_file_that_cannot_be_used_is_named),
        cmocka_unit_test(names_are_asked_for_and_addresses_are_not),
        cmocka_unit_test(the_name_is_checked),
        cmocka_unit_test(names_that_cannot_be_asked_for_make_no_target),
        cmocka_unit_test(the_next_connection_resumes),
        cmocka_unit_test(a_session_does_not_outlive_the_certificate),
#ifdef EVENKEEL_FAULT_INJECTION
        cmocka_unit_test(each_failing_allocation_leaves_nothing),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
