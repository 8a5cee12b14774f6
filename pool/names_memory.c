/* Converts answers to bytes and back. */
#include "pool/names_memory.h"

#include <string.h>

static size_t ip_bytes(enum dns_type type)
{
    return type == DNS_A ? 4 : 16;
}

static void save_question(const struct question *question, struct pack *pack)
{
    pack_text(pack, question->name->host);
    pack_u8(pack, (uint8_t)dns_type_code(question->type));
    pack_u16(pack, (uint16_t)question->ip_count);
    for (size_t i = 0; i < question->ip_count; i++) {
        pack_raw(pack, question->ips[i].bytes, ip_bytes(question->type));
    }
}

void names_save(const struct names *names, struct pack *pack)
{
    const struct name *name;
    TAILQ_FOREACH (name, &names->list, link) {
        for (unsigned i = 0; i < name->question_count; i++) {
            if (name->questions[i].ip_count > 0) {
                save_question(&name->questions[i], pack);
            }
        }
    }
}

static struct question *find_question(const struct names *names, const char *host, uint8_t code)
{
    struct name *name = names_find(names, host, false);
    for (unsigned i = 0; name != NULL && i < name->question_count; i++) {
        if (dns_type_code(name->questions[i].type) == code) {
            return &name->questions[i];
        }
    }
    return NULL;
}

static bool restore_question(struct question *question, const struct dns_records *records,
                             uint64_t now_ms)
{
    if (question->state.holding || records->count == 0 ||
        question_keep_ips(question, records) != KEEP_CHANGED) {
        return false;
    }
    question->state.holding = true;
    question->state.answered_ms = question->state.expires_ms = now_ms;
    return true;
}

size_t names_restore(struct names *names, struct unpack *unpack, uint64_t now_ms)
{
    size_t restored_count = 0;
    while (unpack_more(unpack)) {
        char host[DNS_HOST_BYTES];
        struct dns_records records;
        if (!unpack_text(unpack, host, sizeof host)) {
            break;
        }
        uint8_t code = unpack_u8(unpack);
        uint16_t count = unpack_u16(unpack);
        enum dns_type type = code == dns_type_code(DNS_A) ? DNS_A : DNS_AAAA;
        dns_records_init(&records);
        for (uint16_t i = 0; i < count; i++) {
            struct dns_ip ip = {{0}};
            const uint8_t *bytes = unpack_raw(unpack, ip_bytes(type));
            if (bytes == NULL) {
                break;
            }
            memcpy(ip.bytes, bytes, ip_bytes(type));
            dns_records_add(&records, type, &ip);
        }
        struct question *question = find_question(names, host, code);
        if (!unpack->failed && question != NULL) {
            restored_count += restore_question(question, &records, now_ms);
        }
    }
    return restored_count;
}
