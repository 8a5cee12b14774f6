/*
 * The methods of balancing: one row each. The configuration's words, its reference and pool/balance.c follow from it.
 *
 * Owns nothing. Thread: any. Columns: id, word in the configuration, what follows the word ("" or "NAME"), where a request's
 * key is taken from, the method in pool/balance.c, help.
 */
#ifndef EVENKEEL_CONF_BALANCE_METHOD_H
#define EVENKEEL_CONF_BALANCE_METHOD_H

#include "steady/enum_names.h"

enum balance_key_source {
    BALANCE_KEY_NONE,
    BALANCE_KEY_HEADER, /* the header that NAME says */
    BALANCE_KEY_COOKIE, /* likewise */
    BALANCE_KEY_CLIENT, /* the address of the connection */
};

#define BALANCE_METHODS(X)                                                                               \
    X(BALANCE_P2C, "p2c", "", BALANCE_KEY_NONE, p2c,                                                     \
      "two endpoints are drawn at random, and the one with the lower load and latency gets the request") \
    X(BALANCE_ROUND_ROBIN, "round_robin", "", BALANCE_KEY_NONE, round_robin,                             \
      "endpoints take turns, by weight")                                                                 \
    X(BALANCE_LEAST_IN_FLIGHT, "least_in_flight", "", BALANCE_KEY_NONE, least_in_flight,                 \
      "the endpoint with the fewest requests in flight for its weight gets the request")                 \
    X(BALANCE_HASH_CLIENT, "hash:client", "", BALANCE_KEY_CLIENT, by_hash,                               \
      "consistent hash of the client's address")                                                         \
    X(BALANCE_HASH_HEADER, "hash:header:", "NAME", BALANCE_KEY_HEADER, by_hash,                          \
      "consistent hash of a header field")                                                               \
    X(BALANCE_HASH_COOKIE, "hash:cookie:", "NAME", BALANCE_KEY_COOKIE, by_hash,                          \
      "consistent hash of a cookie")

enum balance_method { ENUM_VALUES(BALANCE_METHODS) BALANCE_METHOD_COUNT };

struct balance_method_row {
    const char *word;
    const char *follows; /* the word: "" or "NAME" */
    enum balance_key_source key_source;
};
extern const struct balance_method_row balance_method_rows[BALANCE_METHOD_COUNT];

#endif
