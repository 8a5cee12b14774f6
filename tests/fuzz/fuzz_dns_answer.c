/* DNS messages as a server may send them. The first byte chooses the type that was asked for. */
#include <stdlib.h>
#include <string.h>

#include "pool/dns_answer.h"
#include "steady/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(const char *host)
{
    size_t bytes = strnlen(host, DNS_HOST_BYTES);
    CHECK(bytes > 0 && bytes < DNS_HOST_BYTES);
    CHECK(strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == bytes);
    CHECK(host[0] != '.' && host[bytes - 1] != '.' && strstr(host, "..") == NULL);
}

static void check_services(const struct dns_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        const struct dns_service *service = &records->services[i];
        check_host(service->host);
        CHECK(service->port != 0);
        if (i == 0) {
            continue;
        }
        int order = strcmp(service[-1].host, service->host);
        CHECK(order < 0 || (order == 0 && service[-1].port < service->port));
    }
}

static void check_ips(const struct dns_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        CHECK(i == 0 || memcmp(&records->ips[i - 1], &records->ips[i], sizeof records->ips[i]) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_records records = {.count = SIZE_MAX};
    if (size == 0) {
        return 0;
    }
    enum dns_type type = (enum dns_type)(data[0] % DNS_TYPE_COUNT);
    enum lookup_result result = dns_answer_parse(data + 1, size - 1, type, &records);
    switch (result) {
    case LOOKUP_FOUND:
        CHECK(records.count > 0 && records.count <= DNS_RECORDS);
        CHECK(records.ttl_ms <= 1000ull * INT32_MAX);
        if (type == DNS_SRV) {
            check_services(&records);
        } else {
            check_ips(&records);
        }
        break;
    case LOOKUP_EMPTY:
    case LOOKUP_UNKNOWN: CHECK(records.count == 0); break;
    case LOOKUP_FAILED:
    case LOOKUP_MALFORMED: CHECK(records.count == SIZE_MAX); break;
    case LOOKUP_TIMEOUT:
    case LOOKUP_NO_MEMORY:
    case LOOKUP_RESULT_COUNT: CHECK(false); break;
    }
    return 0;
}
