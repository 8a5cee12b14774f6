/*
 * DNS messages: what a server's answer says about one question.
 *
 * Owns nothing; pure. Thread: any. Errors: enum lookup_result. Spec: RFC 1035 section 4 (messages), RFC 3596 (AAAA),
 * RFC 2782 (SRV), RFC 2308 (lifetime of negative answers), RFC 2181 section 8 (TTL). A message is accepted or rejected
 * as a whole. Addresses to which nothing can connect are left out.
 */
#ifndef EVENKEEL_POOL_DNS_ANSWER_H
#define EVENKEEL_POOL_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steady/enum_names.h"

/* Number of records of one answer that are kept: the lowest by value, so that the same answer in another order keeps
   the same records. */
#define DNS_RECORDS 64
#define DNS_HOST_BYTES 254

#define DNS_TYPES(X)        \
    X(DNS_A, "A", 1)        \
    X(DNS_AAAA, "AAAA", 28) \
    X(DNS_SRV, "SRV", 33)

enum dns_type { ENUM_VALUES(DNS_TYPES) DNS_TYPE_COUNT };

/* Results of a lookup: id, name in metrics and logs. */
#define LOOKUP_RESULTS(X)                                                                 \
    X(LOOKUP_FOUND, "found")                                                              \
    X(LOOKUP_EMPTY, "empty")     /* the name exists, without records of this type */      \
    X(LOOKUP_UNKNOWN, "unknown") /* NXDOMAIN */                                           \
    X(LOOKUP_TIMEOUT, "timeout")                                                          \
    X(LOOKUP_FAILED, "failed")       /* every server failed, refused or is unreachable */ \
    X(LOOKUP_MALFORMED, "malformed") /* the name or the answer is malformed */            \
    X(LOOKUP_NO_MEMORY, "no_memory")

enum lookup_result { ENUM_VALUES(LOOKUP_RESULTS) LOOKUP_RESULT_COUNT };
const char *lookup_result_name(enum lookup_result value);
const char *dns_type_name(enum dns_type value);
/* The type's number in DNS messages. */
uint16_t dns_type_code(enum dns_type type);

struct dns_ip {
    uint8_t bytes[16]; /* the first 4 of an A record */
};

struct dns_service {
    uint16_t port, weight;
    char host[DNS_HOST_BYTES]; /* lower case, no final dot */
};

struct dns_records {
    /* the lowest TTL of all records that led here; of a negative answer: its lifetime, 0 if the server gives none */
    uint64_t ttl_ms;
    size_t count;
    bool cut; /* there were more than DNS_RECORDS records */
    union {
        struct dns_ip ips[DNS_RECORDS];           /* A, AAAA: ascending */
        struct dns_service services[DNS_RECORDS]; /* SRV of the lowest priority: by host and port */
    };
};

void dns_records_init(struct dns_records *records);
/* Adds an address of the type, unless nothing can connect to it or it is there already. */
void dns_records_add(struct dns_records *records, enum dns_type type, const struct dns_ip *ip);

/* FOUND, EMPTY and UNKNOWN set *ret_records; EMPTY and UNKNOWN leave count at 0. */
__attribute__((warn_unused_result)) enum lookup_result dns_answer_parse(
    const uint8_t *bytes, size_t length, enum dns_type type, struct dns_records *ret_records);

#endif
