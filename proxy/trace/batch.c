/* Texts around spans. */
#include "proxy/trace/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/log/line.h"
#include "proxy/trace/span_rings.h"
#include "steady/fault.h"

/* The most bytes of each text around the spans. */
#define TEXT_ROOM 512

static const char behind[] = "]}]}]}";

bool batch_open(struct batch *batch)
{
    if (batch->spans == NULL) {
        batch->spans = fault_hits(FAULT_ALLOC) ? NULL : malloc(BATCH_SPANS_BYTES);
    }
    return batch->spans != NULL;
}

void batch_release(struct batch *batch)
{
    free(batch->spans);
    batch->spans = NULL;
}

static void put_attribute(struct line *line, const char *key, const char *value)
{
    line_put_literal(line, "{\"key\":\"");
    line_put(line, key, strlen(key));
    line_put_literal(line, "\",\"value\":{\"stringValue\":");
    line_put_json(line, value, strlen(value), TEXT_ROOM);
    line_put_literal(line, "}},");
}

void batch_describe(struct batch *batch, const struct batch_source *source,
                    const struct tracing_settings *settings)
{
    struct line line = {batch->before, batch->before + sizeof batch->before};
    line_put_literal(&line, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    put_attribute(&line, "service.name", settings->service_name);
    put_attribute(&line, "service.version", source->version);
    put_attribute(&line, "service.instance.id", source->instance);
    put_attribute(&line, "host.name", source->host);
    line_put_literal(&line, "{\"key\":\"process.pid\",\"value\":{\"intValue\":\"");
    line_put_uint(&line, source->pid);
    line_put_literal(&line,
                     "\"}}]},\"scopeSpans\":[{\"scope\":{\"name\":\"evenkeel\",\"version\":");
    line_put_json(&line, source->version, strlen(source->version), TEXT_ROOM);
    line_put_literal(&line, "},\"spans\":[");
    batch->before_bytes = (size_t)(line.at - batch->before);
}

void batch_fill(struct batch *batch, struct span_rings *rings, uint64_t most)
{
    batch->count =
        span_rings_take(rings, batch->spans, BATCH_SPANS_BYTES, most, &batch->spans_bytes);
    batch->spans_bytes -= batch->count > 0; /* the comma behind the last */
}

void batch_empty(struct batch *batch)
{
    batch->count = 0;
    batch->spans_bytes = 0;
}

/* What a URL has between its scheme and its path. */
static size_t authority_of(const char *url, const char **ret_authority)
{
    const char *slashes = strstr(url, "://");
    *ret_authority = slashes != NULL ? slashes + 3 : url;
    return strcspn(*ret_authority, "/");
}

void batch_pieces(struct batch *batch, const struct tracing_settings *settings, const char *version,
                  struct iovec ret_pieces[BATCH_PIECES])
{
    const char *authority;
    size_t authority_bytes = authority_of(settings->collector.text, &authority);
    size_t body_bytes = batch->before_bytes + batch->spans_bytes + sizeof behind - 1;
    int bytes = snprintf(batch->head, sizeof batch->head,
                         "POST %s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: evenkeel/%s\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                         "Accept: application/json\r\nConnection: close\r\n\r\n",
                         settings->path, (int)authority_bytes, authority, version, body_bytes);
    batch->head_bytes = bytes > 0 ? (size_t)bytes : 0;
    ret_pieces[0] = (struct iovec){batch->head, batch->head_bytes};
    ret_pieces[1] = (struct iovec){batch->before, batch->before_bytes};
    ret_pieces[2] = (struct iovec){batch->spans, batch->spans_bytes};
    ret_pieces[3] = (struct iovec){(char *)(uintptr_t)behind, sizeof behind - 1};
}

uint64_t batch_rejected(const char *answer, size_t bytes)
{
    static const char key[] = "\"rejectedSpans\"";
    const char *end = answer + bytes;
    const char *at = memmem(answer, bytes, key, sizeof key - 1);
    uint64_t count = 0;
    if (at == NULL) {
        return 0;
    }
    for (at += sizeof key - 1; at < end && strchr(" \t\r\n:\"", *at) != NULL && *at != '\0'; at++) {
    }
    for (; at < end && *at >= '0' && *at <= '9' && count < UINT32_MAX; at++) {
        count = count * 10 + (uint64_t)(*at - '0');
    }
    return count;
}
