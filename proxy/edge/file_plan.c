/* What is decided once the file is open. */
#include "proxy/edge/file_plan.h"

#include <stdio.h>
#include <string.h>

#include "proxy/edge/file_type.h"
#include "proxy/http/accept_encoding.h"
#include "proxy/http/http_date.h"

/* ---- the decision ---- */

static const char *coding_name(unsigned coding)
{
    for (unsigned i = 0; i < CODING_COUNT; i++) {
        if (coding == 1U << i) {
            return coding_rows[i].name;
        }
    }
    return NULL;
}

static void take_whole(struct file_plan *plan)
{
    plan->status = 200;
    plan->parts =
        (struct file_ranges){.count = plan->file_bytes > 0, .of = {{0, plan->file_bytes - 1}}};
}

/* Range is defined for GET alone, and is no list: several lines say nothing (RFC 9110 14.2, 5.3). */
static const struct http_field *range_of(const struct http_head *request)
{
    const struct http_field *field =
        request->method == METHOD_GET ? head_find_name(request, "range", 5) : NULL;
    return field != NULL && head_find_next(request, field) == NULL ? field : NULL;
}

static void take_parts(struct file_plan *plan, const struct http_head *request, int64_t now_s,
                       uint64_t random)
{
    const struct http_field *field = range_of(request);
    take_whole(plan);
    if (field == NULL || !file_range_counts(request, &plan->validators, now_s)) {
        return;
    }
    struct file_ranges parts;
    switch (file_range_read(request->base + field->value_at, field->value_bytes, plan->file_bytes,
                            &parts)) {
    case FILE_RANGE_NONE: return;
    case FILE_RANGE_BEYOND: plan->status = 416; return;
    case FILE_RANGE_PARTS: break;
    }
    plan->status = 206;
    plan->parts = parts;
    if (parts.count > 1) {
        snprintf(plan->boundary, sizeof plan->boundary, "part-%016llx", (unsigned long long)random);
    }
}

void file_plan_make(struct file_plan *plan, const struct http_head *request,
                    const struct file_settings *settings, const struct file_found *found,
                    int64_t now_s, uint64_t random)
{
    *plan = (struct file_plan){
        .type = file_type_of(found->name),
        .coding = coding_name(found->coding),
        .varies = settings->precompressed,
        .file_bytes = found->bytes,
    };
    plan->validators = file_validators_of(found->modified_ns, found->bytes, plan->coding);
    switch (file_judge(request, &plan->validators, now_s)) {
    case FILE_VERDICT_NOT_MODIFIED: plan->status = 304; break;
    case FILE_VERDICT_FAILED: plan->status = 412; break;
    case FILE_VERDICT_SEND: take_parts(plan, request, now_s, random); break;
    }
}

/* ---- the head ---- */

/* Before the present part, with the line break that ends the one before it. */
static size_t part_head(const struct file_plan *plan, size_t part, char *text)
{
    const struct file_range *range = &plan->parts.of[part];
    int bytes = snprintf(
        text, FILE_FRAME_BYTES,
        "%s--%s\r\nContent-Type: %s\r\nContent-Range: bytes %llu-%llu/%llu\r\n\r\n",
        part > 0 ? "\r\n" : "", plan->boundary, plan->type, (unsigned long long)range->first,
        (unsigned long long)range->last, (unsigned long long)plan->file_bytes);
    return (size_t)bytes;
}

static size_t last_line(const struct file_plan *plan, char *text)
{
    return (size_t)snprintf(text, FILE_FRAME_BYTES, "\r\n--%s--\r\n", plan->boundary);
}

static uint64_t content_bytes(const struct file_plan *plan)
{
    char text[FILE_FRAME_BYTES];
    uint64_t bytes = plan->boundary[0] != '\0' ? last_line(plan, text) : 0;
    for (size_t i = 0; i < plan->parts.count; i++) {
        bytes += plan->parts.of[i].last - plan->parts.of[i].first + 1;
        bytes += plan->boundary[0] != '\0' ? part_head(plan, i, text) : 0;
    }
    return bytes;
}

static void describe_parts(const struct file_plan *plan, struct own_response *own)
{
    char text[FILE_FRAME_BYTES];
    if (plan->boundary[0] != '\0') {
        snprintf(text, sizeof text, "multipart/byteranges; boundary=%s", plan->boundary);
        own_response_set_body(own, text, content_bytes(plan));
        return;
    }
    own_response_set_body(own, plan->type, content_bytes(plan));
    if (plan->status == 206) {
        const struct file_range *range = &plan->parts.of[0];
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)range->first,
                 (unsigned long long)range->last, (unsigned long long)plan->file_bytes);
        own_response_add_field(own, "Content-Range", text);
    }
}

/* RFC 9110 8.8.2.1: no file was changed later than now. */
static void describe_date(const struct file_plan *plan, int64_t now_s, struct own_response *own)
{
    char date[HTTP_DATE_BYTES];
    int64_t modified_s = plan->validators.modified_s;
    http_date_write(modified_s < now_s ? modified_s : now_s, date);
    own_response_add_field(own, "Last-Modified", date);
}

void file_plan_describe(const struct file_plan *plan, int64_t now_s, struct own_response *ret_own)
{
    own_response_build(ret_own, REASON_COMPLETE, NULL, 0);
    ret_own->head.status = plan->status;
    describe_parts(plan, ret_own);
    own_response_add_field(ret_own, "ETag", plan->validators.etag);
    describe_date(plan, now_s, ret_own);
    if (plan->varies) {
        own_response_add_field(ret_own, "Vary", "Accept-Encoding");
    }
    if (plan->status == 304) {
        return;
    }
    own_response_add_field(ret_own, "Accept-Ranges", "bytes");
    if (plan->coding != NULL) {
        own_response_add_field(ret_own, "Content-Encoding", plan->coding);
    }
}

/* ---- the bytes ---- */

bool file_plan_over(const struct file_plan *plan)
{
    return plan->part == plan->parts.count;
}

struct file_range file_plan_next(const struct file_plan *plan, size_t most_bytes)
{
    const struct file_range *range = &plan->parts.of[plan->part];
    uint64_t first = range->first + plan->part_done_bytes;
    uint64_t last = range->last - first < most_bytes ? range->last : first + most_bytes - 1;
    return (struct file_range){first, last};
}

void file_plan_advance(struct file_plan *plan, size_t bytes, char *before, size_t *ret_before_bytes,
                       char *behind, size_t *ret_behind_bytes)
{
    const struct file_range *range = &plan->parts.of[plan->part];
    bool several = plan->boundary[0] != '\0';
    *ret_before_bytes =
        several && plan->part_done_bytes == 0 ? part_head(plan, plan->part, before) : 0;
    *ret_behind_bytes = 0;
    plan->part_done_bytes += bytes;
    if (plan->part_done_bytes == range->last - range->first + 1) {
        plan->part++;
        plan->part_done_bytes = 0;
        *ret_behind_bytes = several && file_plan_over(plan) ? last_line(plan, behind) : 0;
    }
}
