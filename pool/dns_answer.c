/* Parses DNS messages. Trusts no length, pointer or count in them. */
#include "pool/dns_answer.h"

#include <arpa/inet.h>
#include <string.h>

#include "steady/enum_names.h"

#define HEADER_BYTES 12
#define QUESTION_TAIL_BYTES 4
#define RECORD_HEAD_BYTES 10
#define SRV_HEAD_BYTES 6
#define NAME_BYTES 255
/* Flags in the third byte. */
#define FLAG_ANSWER 0x80
#define FLAG_CUT 0x02
#define CLASS_IN 1
#define TYPE_CNAME 5
#define TYPE_SOA 6
#define SOA_TIMES_BYTES 20
#define ALIASES_MAX 8

struct message {
    const uint8_t *bytes;
    size_t length;
};

/* A name in the message's own form, with letters in lower case. */
struct wire_name {
    size_t length;
    uint8_t bytes[NAME_BYTES];
};

struct record {
    struct wire_name owner;
    uint16_t type, class;
    uint32_t ttl_s;
    size_t at, length; /* offset and length of its data */
};

ENUM_NAME_FUNCTION(lookup_result_name, enum lookup_result, LOOKUP_RESULTS)

ENUM_NAME_FUNCTION(dns_type_name, enum dns_type, DNS_TYPES)

uint16_t dns_type_code(enum dns_type type)
{
    static const uint16_t codes[] = {ENUM_DETAILS(DNS_TYPES)};
    return codes[type];
}

/* ---- bytes, names, records ---- */

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)read16(at) << 16 | read16(at + 2);
}

static bool has(const struct message *message, size_t at, size_t count)
{
    return at <= message->length && message->length - at >= count;
}

static uint8_t lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

/* Moves *at behind the name. Each pointer leads further to the front than the one before, so the loop ends. */
static bool read_name(const struct message *message, size_t *at, struct wire_name *ret_name)
{
    size_t here = *at, front = here, behind = 0;
    ret_name->length = 0;
    for (;;) {
        if (!has(message, here, 1)) {
            return false;
        }
        uint8_t label = message->bytes[here];
        if ((label & 0xc0) == 0xc0) {
            if (!has(message, here, 2)) {
                return false;
            }
            size_t target = read16(message->bytes + here) & 0x3fffu;
            behind = behind == 0 ? here + 2 : behind;
            if (target >= front) {
                return false;
            }
            here = front = target;
            continue;
        }
        if (label > 63 || !has(message, here, label + 1u) ||
            ret_name->length + label + 1 > NAME_BYTES) {
            return false;
        }
        ret_name->bytes[ret_name->length++] = label;
        for (size_t i = 1; i <= label; i++) {
            ret_name->bytes[ret_name->length++] = lower(message->bytes[here + i]);
        }
        here += label + 1u;
        if (label == 0) {
            break;
        }
    }
    *at = behind == 0 ? here : behind;
    return true;
}

static bool same_wire_name(const struct wire_name *a, const struct wire_name *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static bool read_record(const struct message *message, size_t *at, struct record *ret_record)
{
    if (!read_name(message, at, &ret_record->owner) || !has(message, *at, RECORD_HEAD_BYTES)) {
        return false;
    }
    const uint8_t *head = message->bytes + *at;
    ret_record->type = read16(head);
    ret_record->class = read16(head + 2);
    ret_record->ttl_s = read32(head + 4);
    if (ret_record->ttl_s > INT32_MAX) {
        ret_record->ttl_s = 0;
    }
    ret_record->length = read16(head + 8);
    ret_record->at = *at + RECORD_HEAD_BYTES;
    *at = ret_record->at + ret_record->length;
    return has(message, ret_record->at, ret_record->length);
}

/* Accepts only letters, digits, hyphens and underscores, because the name becomes a question, a TLS server name and
   text in the log. */
static bool host_of(const struct wire_name *name, char host[DNS_HOST_BYTES])
{
    size_t used = 0;
    for (size_t i = 0; name->bytes[i] != 0; i += name->bytes[i] + 1u) {
        if (used + name->bytes[i] + 2 > DNS_HOST_BYTES) {
            return false;
        }
        if (used > 0) {
            host[used++] = '.';
        }
        for (size_t k = 1; k <= name->bytes[i]; k++) {
            uint8_t byte = name->bytes[i + k];
            if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
                  byte == '_')) {
                return false;
            }
            host[used++] = (char)byte;
        }
    }
    host[used] = '\0';
    return used > 0;
}

/* ---- records of a kind ---- */

/* Keeps the array ascending and without duplicates. If it is full, the greatest item is left out. */
static void insert(struct dns_records *records, void *items, size_t item_bytes, const void *item,
                   int (*compare)(const void *a, const void *b))
{
    char *base = items;
    size_t i = records->count;
    while (i > 0 && compare(base + (i - 1) * item_bytes, item) > 0) {
        i--;
    }
    if (i > 0 && compare(base + (i - 1) * item_bytes, item) == 0) {
        return;
    }
    if (records->count == DNS_RECORDS) {
        records->cut = true;
        if (i == DNS_RECORDS) {
            return;
        }
        records->count--;
    }
    memmove(base + (i + 1) * item_bytes, base + i * item_bytes, (records->count - i) * item_bytes);
    memcpy(base + i * item_bytes, item, item_bytes);
    records->count++;
}

static int compare_ips(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct dns_ip));
}

static int compare_services(const void *a, const void *b)
{
    const struct dns_service *left = a, *right = b;
    int order = strcmp(left->host, right->host);
    return order != 0 ? order : (int)left->port - (int)right->port;
}

/* Nothing can connect to unspecified, multicast and broadcast addresses. */
static bool ip_usable(const struct dns_ip *ip, enum dns_type type)
{
    static const struct dns_ip none;
    if (type == DNS_A) {
        return ip->bytes[0] != 0 && ip->bytes[0] < 224;
    }
    return ip->bytes[0] != 0xff && memcmp(ip, &none, sizeof none) != 0;
}

void dns_records_init(struct dns_records *records)
{
    records->ttl_ms = UINT64_MAX;
    records->count = 0;
    records->cut = false;
}

void dns_records_add(struct dns_records *records, enum dns_type type, const struct dns_ip *ip)
{
    if (ip_usable(ip, type)) {
        insert(records, records->ips, sizeof *ip, ip, compare_ips);
    }
}

static bool take_ip(const struct message *message, const struct record *record, enum dns_type type,
                    struct dns_records *records)
{
    struct dns_ip ip = {{0}};
    if (record->length != (type == DNS_A ? 4 : 16)) {
        return false;
    }
    memcpy(ip.bytes, message->bytes + record->at, record->length);
    dns_records_add(records, type, &ip);
    return true;
}

/* `priority`: of the services kept so far. The target "." means that there is no such service. */
static bool take_service(const struct message *message, const struct record *record,
                         uint32_t *priority, struct dns_records *records)
{
    struct dns_service service = {.port = 0};
    struct wire_name target;
    size_t at = record->at + SRV_HEAD_BYTES;
    if (record->length <= SRV_HEAD_BYTES || !read_name(message, &at, &target) ||
        at != record->at + record->length) {
        return false;
    }
    uint16_t own_priority = read16(message->bytes + record->at);
    service.weight = read16(message->bytes + record->at + 2);
    service.port = read16(message->bytes + record->at + 4);
    if (service.port == 0 || own_priority > *priority || !host_of(&target, service.host)) {
        return true;
    }
    if (own_priority < *priority) {
        records->count = 0;
        records->cut = false;
        *priority = own_priority;
    }
    insert(records, records->services, sizeof service, &service, compare_services);
    return true;
}

/* ---- the answer ---- */

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Follows one alias of the name, if there is one; *ret_moved. */
static bool follow(const struct message *message, size_t at, unsigned count, struct wire_name *name,
                   uint64_t *ttl_ms, bool *ret_moved)
{
    struct record record;
    *ret_moved = false;
    for (unsigned i = 0; i < count; i++) {
        if (!read_record(message, &at, &record)) {
            return false;
        }
        if (*ret_moved || record.type != TYPE_CNAME || record.class != CLASS_IN ||
            !same_wire_name(&record.owner, name)) {
            continue;
        }
        size_t target = record.at;
        if (!read_name(message, &target, name) || target != record.at + record.length) {
            return false;
        }
        *ttl_ms = lesser(*ttl_ms, record.ttl_s * 1000ull);
        *ret_moved = true;
    }
    return true;
}

static bool collect(const struct message *message, size_t *at, unsigned count, enum dns_type type,
                    const struct wire_name *name, struct dns_records *records)
{
    struct record record;
    uint32_t priority = UINT32_MAX;
    for (unsigned i = 0; i < count; i++) {
        if (!read_record(message, at, &record)) {
            return false;
        }
        if (record.type != dns_type_code(type) || record.class != CLASS_IN ||
            !same_wire_name(&record.owner, name)) {
            continue;
        }
        if (!(type == DNS_SRV ? take_service(message, &record, &priority, records)
                              : take_ip(message, &record, type, records))) {
            return false;
        }
        records->ttl_ms = lesser(records->ttl_ms, record.ttl_s * 1000ull);
    }
    return true;
}

/* Lifetime of a negative answer, from the SOA record in the authority section. A malformed SOA record does not
   invalidate the answer. */
static uint64_t negative_ttl_ms(const struct message *message, size_t at, unsigned count)
{
    struct record record;
    for (unsigned i = 0; i < count && read_record(message, &at, &record); i++) {
        if (record.type == TYPE_SOA && record.class == CLASS_IN &&
            record.length >= SOA_TIMES_BYTES) {
            return 1000 *
                   lesser(record.ttl_s, read32(message->bytes + record.at + record.length - 4));
        }
    }
    return 0;
}

static bool read_question(const struct message *message, size_t *at, enum dns_type type,
                          struct wire_name *ret_name)
{
    if (read16(message->bytes + 4) != 1 || !read_name(message, at, ret_name) ||
        !has(message, *at, QUESTION_TAIL_BYTES)) {
        return false;
    }
    const uint8_t *tail = message->bytes + *at;
    *at += QUESTION_TAIL_BYTES;
    return read16(tail) == dns_type_code(type) && read16(tail + 2) == CLASS_IN;
}

static enum lookup_result result_of_code(unsigned code)
{
    switch (code) {
    case 0: return LOOKUP_FOUND;
    case 3: return LOOKUP_UNKNOWN;
    default: return LOOKUP_FAILED;
    }
}

enum lookup_result dns_answer_parse(const uint8_t *bytes, size_t length, enum dns_type type,
                                    struct dns_records *ret_records)
{
    const struct message message = {bytes, length};
    struct dns_records records;
    struct wire_name name;
    size_t at = HEADER_BYTES;
    bool moved = true;
    dns_records_init(&records);
    if (!has(&message, 0, HEADER_BYTES) || (bytes[2] & (FLAG_ANSWER | FLAG_CUT)) != FLAG_ANSWER) {
        return LOOKUP_MALFORMED;
    }
    enum lookup_result result = result_of_code(bytes[3] & 0x0f);
    if (result == LOOKUP_FAILED) {
        return result;
    }
    if (!read_question(&message, &at, type, &name)) {
        return LOOKUP_MALFORMED;
    }
    unsigned answers_count = read16(bytes + 6);
    for (unsigned i = 0; moved; i++) {
        if (i == ALIASES_MAX ||
            !follow(&message, at, answers_count, &name, &records.ttl_ms, &moved)) {
            return LOOKUP_MALFORMED;
        }
    }
    if (!collect(&message, &at, answers_count, type, &name, &records)) {
        return LOOKUP_MALFORMED;
    }
    if (result == LOOKUP_UNKNOWN || records.count == 0) {
        result = result == LOOKUP_UNKNOWN ? LOOKUP_UNKNOWN : LOOKUP_EMPTY;
        records.count = 0;
        records.ttl_ms = negative_ttl_ms(&message, at, read16(bytes + 8));
    }
    *ret_records = records;
    return result;
}
