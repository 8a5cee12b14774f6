/* Tables, and how they are searched. */
#include "conf/foreign.h"

#include <stdio.h>
#include <string.h>

#define CERTIFICATES "certificates = ( { cert = \"FILE\"; key = \"FILE\"; } );"

/* ---- keys ---- */

const struct foreign_key foreign_keys[] = {
    {"", "backend backends services", "upstreams", NULL},
    {"", "frontend frontends entrypoints", "listeners", NULL},
    {"", "gzip encode compression", "compress", NULL},
    {"", "worker_processes nbthread threads", "workers", NULL},
    {"", "access_log", NULL, "write log = { access = { path = \"FILE\"; }; };"},
    {"", "error_log", NULL, "write log = { path = \"FILE\"; };"},
    {"", "timeout timeouts", NULL, "listeners, upstreams and routes have timeouts"},
    {"listeners.", "port address addr bind", "listen", NULL},
    {"listeners.", "ssl https", "tls", NULL},
    {"listeners.", "cert key certificate certificates ssl_certificate", NULL,
     "write tls = { " CERTIFICATES " };"},
    {"listeners.tls.", "cert key crt pem certificate ssl_certificate ssl_certificate_key",
     "certificates", "as in " CERTIFICATES},
    {"listeners.tls.", "ciphers cipher_suites ssl_ciphers", NULL,
     "ciphers cannot be chosen: they are those with forward secrecy"},
    {"listeners.tls.", "protocols ssl_protocols versions", "min_version", NULL},
    {"upstreams.", "server servers backends hosts targets target url urls address nodes members",
     "endpoints", NULL},
    {"upstreams.", "lb lb_policy policy algorithm load_balancing strategy method", "balance", NULL},
    {"upstreams.", "check checks health_check health_checks healthcheck httpchk", "health", NULL},
    {"upstreams.", "max_conns maxconn max_connections", NULL,
     "write pool = { max = ...; } for connections to a server, or limits = { in_flight = ...; }"},
    {"upstreams.", "keepalive keep_alive", NULL, "connections are kept by themselves (see pool)"},
    {"upstreams.", "max_fails fail_timeout", NULL,
     "servers that fail are left out by themselves (see health.eject_after)"},
    {"upstreams.", "ssl https", "tls", NULL},
    {"upstreams.", "weight weights", NULL, "write \"10.0.0.7:8080 weight=2\" as endpoint"},
    {"upstreams.", "cookie sticky", NULL, "write sticky = { cookie = \"NAME\"; }; in the route"},
    {"upstreams.", "h2 h2c http2 http_version scheme", "protocol", NULL},
    {"upstreams.timeouts.", "read response send write server", NULL,
     "write first_byte for the wait for a response, idle for each wait between two bytes"},
    {"upstreams.health.", "uri url", "path", NULL},
    {"upstreams.health.", "fails failures max_fails unhealthy_threshold", "fall", NULL},
    {"upstreams.health.", "passes healthy_threshold", "rise", NULL},
    {"upstreams.tls.", "sni name", "server_name", NULL},
    {"upstreams.tls.", "insecure insecure_skip_verify skip_verify", "verify", NULL},
    {"routes.", "location prefix path_beg uri", "path_prefix", NULL},
    {"routes.", "regex path_reg", "path_regex", NULL},
    {"routes.", "domain domains rule server_name", "hosts", NULL},
    {"routes.", "backend backends proxy proxy_pass reverse_proxy service to use_backend",
     "upstream", NULL},
    {"routes.", "websocket websockets ws", NULL,
     "WebSocket passes by itself: leave it out (see upgrade)"},
    {"routes.", "headers header_up proxy_set_header", NULL,
     "write request = { set = { NAME = \"...\"; }; }; or response"},
    {"routes.", "alias file_server root static try_files", "files", NULL},
    {"routes.", "auth_basic basic_auth", NULL, "write auth = { basic = { file = \"FILE\"; }; };"},
    {"routes.", "auth_request forward_auth", NULL,
     "write auth = { forward = { upstream = \"NAME\"; path = \"/verify\"; }; };"},
    {"routes.", "limit_req rate_limit", "key_rate", NULL},
    {"routes.", "body client_max_body_size max_body_size", NULL,
     "write limits = { body = \"20MiB\"; };"},
    {"routes.", "allow deny ip_allow ip_allowlist", NULL,
     "write access = { allow = [ \"10.0.0.0/8\" ]; };"},
    {"routes.", "ip ips remote_ip src", "clients", NULL},
    {"routes.", "gzip encode compression", "compress", NULL},
    {"routes.", "cors", NULL,
     "write response = { set = { Access-Control-Allow-Origin = \"...\"; }; };, and a route with "
     "methods = [ \"OPTIONS\" ] before"},
    {"routes.access.", "from ip ips whitelist", "allow", NULL},
    {"routes.access.", "block blacklist", "deny", NULL},
    {"routes.auth.", "file users users_file", NULL, "write basic = { file = \"FILE\"; };"},
    {"routes.auth.basic.", "htpasswd password user users users_file usersfile", "file", NULL},
    {"routes.auth.forward.", "uri", "path", NULL},
    {"routes.auth.forward.", "address url", NULL, "write upstream = \"NAME\"; path = \"/verify\";"},
    {"routes.auth.forward.", "authresponseheaders copy_headers headers response_headers", "copy",
     NULL},
    {"routes.files.", "autoindex browse listing", NULL, "folders are never listed"},
    {"routes.files.", "alias dir directory folder path", "root", NULL},
    {"routes.files.", "fallback spa try_files", "try", NULL},
    {"routes.files.", "gzip_static", "precompressed", NULL},
    {"routes.files.", "cache expires max_age", NULL,
     "write response = { statuses = \"200-399\"; set = { Cache-Control = \"...\"; }; }; beside "
     "files"},
    {"routes.key_rate.", "average limit per_minute period rate requests rps", "per_second",
     "which may be a fraction: 10 a minute are 0.17"},
    {"routes.rate.", "average limit per_minute period rate requests rps", "per_second",
     "which may be a fraction: 10 a minute are 0.17"},
    {"routes.redirect.", "location target url", "to", NULL},
    {"routes.redirect.", "code permanent", "status", NULL},
    {"routes.respond.", "code", "status", NULL},
    {"routes.respond.", "content message text", "body", NULL},
    {"routes.respond.", "content_type mime", "type", NULL},
    {"routes.respond.", "headers", NULL, "write response = { set = { ... }; }; beside respond"},
    {"routes.rewrite.", "prefix strip trim_prefix", "strip_prefix", NULL},
    {"routes.rewrite.", "replace target to uri", "path", NULL},
    {"routes.rewrite.", "add_prefix", NULL, "write path = \"/prefix{path}\";"},
    {"routes.sticky.", "http_only httponly path secure", NULL,
     "the cookie has Path=/, HttpOnly and, over TLS, Secure by itself"},
    {"routes.sticky.", "name", "cookie", NULL},
    {"routes.sticky.", "expires ttl", "max_age", NULL},
    {NULL, NULL, NULL, NULL},
};

bool foreign_is_among(const char *words, const char *word)
{
    size_t bytes = strlen(word);
    while (*words != '\0') {
        size_t length = strcspn(words, " ");
        if (length == bytes && strncmp(words, word, bytes) == 0) {
            return true;
        }
        words += length + (words[length] == ' ');
    }
    return false;
}

const struct foreign_key *foreign_key_find(const char *group, const char *key)
{
    const struct foreign_key *row = foreign_keys;
    while (row->group != NULL &&
           (strcmp(row->group, group) != 0 || !foreign_is_among(row->words, key))) {
        row++;
    }
    return row->group != NULL ? row : NULL;
}

/* ---- what stands for a value of the request ---- */

/* The words of one row mean the same; those that end in "_" or "." are followed by a name. */
static const struct {
    const char *words, *written;
} values[] = {
    {"uri request_uri http.request.uri", "{target}"},
    {"host http_host hostport http.request.host http.request.hostport", "{host}"},
    {"document_uri http.request.uri.path", "{path}"},
    {"args query_string http.request.uri.query", "{query}"},
    {"scheme http.request.scheme", "{scheme}"},
    {"remote_addr remote_host remote_ip client_ip http.request.remote.host "
     "proxy_add_x_forwarded_for",
     "{client}"},
    {"request_method http.request.method", "{method}"},
    {"remote_user http.auth.user.id", "{user}"},
    {"request_id", "{request_id}"},
    {"ssl_client_s_dn", "{client_cert:subject}"},
};

const char *foreign_placeholder(const char *word)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (foreign_is_among(values[i].words, word)) {
            return values[i].written;
        }
    }
    bool field = strncmp(word, "http_", 5) == 0 || strncmp(word, "header.", 7) == 0 ||
                 strncmp(word, "http.request.header.", 20) == 0;
    bool cookie = strncmp(word, "cookie_", 7) == 0 || strncmp(word, "cookie.", 7) == 0 ||
                  strncmp(word, "http.request.cookie.", 20) == 0;
    bool group = strncmp(word, "re.", 3) == 0 || strncmp(word, "http.regexp.", 12) == 0;
    return field ? "{header:NAME}" : cookie ? "{cookie:NAME}" : group ? "{1}" : NULL;
}

#define WORD_BYTES 64

/* Of the variable that begins with "$": its name, and what is written for it. NULL: it is none. */
static const char *written_for(const char *dollar, bool groups, char word[WORD_BYTES])
{
    size_t bytes =
        strspn(dollar + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (bytes == 0 || bytes >= WORD_BYTES) {
        return NULL;
    }
    memcpy(word, dollar + 1, bytes);
    word[bytes] = '\0';
    bool digit = bytes == 1 && word[0] >= '0' && word[0] <= '9';
    return digit && groups ? "{1}" : foreign_placeholder(word);
}

bool foreign_variable_in(const char *text, bool groups, char *ret_hint, size_t hint_bytes)
{
    if (strstr(text, "%[") != NULL) {
        snprintf(ret_hint, hint_bytes,
                 ": \"%%[\" would be sent as it is written; write placeholders such as {host} and "
                 "{header:NAME}");
        return true;
    }
    for (const char *at = strchr(text, '$'); at != NULL; at = strchr(at + 1, '$')) {
        char word[WORD_BYTES];
        const char *written = written_for(at, groups, word);
        if (written != NULL) {
            snprintf(ret_hint, hint_bytes, ": $%s would be sent as it is written; write %s", word,
                     written);
            return true;
        }
    }
    return false;
}
