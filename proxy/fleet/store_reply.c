/* hiredis finds the values; here they get their memory. */
#include "proxy/fleet/store_reply.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#if HIREDIS_MAJOR > 0
typedef size_t item_count;
#else
typedef int item_count;
#endif

struct store_reader {
    redisReader *parser;
    redisReplyObjectFunctions creators; /* hiredis wants a pointer to what could be changed */
    size_t fed_bytes;                   /* since the last whole reply */
    size_t items_left;                  /* of the reply that is being read */
};

/* ---- trees ---- */

static void release(struct store_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++) {
        release(&reply->items[i]);
    }
    free(reply->items);
    free(reply->text);
}

void store_reply_free(struct store_reply **reply)
{
    if (*reply != NULL) {
        release(*reply);
        free(*reply);
    }
    *reply = NULL;
}

/* The place of a value: in its list, or a reply of its own. NULL: no memory, or too many. */
static struct store_reply *place(const redisReadTask *task, enum store_reply_kind kind)
{
    struct store_reader *reader = task->privdata;
    struct store_reply *reply;
    if (reader->items_left == 0) {
        return NULL;
    }
    reader->items_left--;
    if (task->parent == NULL) {
        reply = calloc(1, sizeof *reply);
    } else {
        const struct store_reply *list = task->parent->obj;
        reply = &list->items[task->idx];
    }
    if (reply != NULL) {
        reply->kind = kind;
    }
    return reply;
}

/* A value that could not be filled in: in a list it goes with the list. */
static void *give_up(const redisReadTask *task, struct store_reply *reply)
{
    if (task->parent == NULL) {
        free(reply);
    }
    return NULL;
}

static void *create_text(const redisReadTask *task, char *bytes, size_t length)
{
    struct store_reply *reply =
        place(task, task->type == REDIS_REPLY_ERROR ? STORE_REPLY_ERROR : STORE_REPLY_TEXT);
    if (reply == NULL) {
        return NULL;
    }
    reply->text = malloc(length + 1);
    if (reply->text == NULL) {
        return give_up(task, reply);
    }
    memcpy(reply->text, bytes, length);
    reply->text[length] = '\0';
    reply->bytes = length;
    return reply;
}

static void *create_list(const redisReadTask *task, item_count count)
{
    struct store_reader *reader = task->privdata;
    if ((size_t)count > reader->items_left) { /* as one below 0 is */
        return NULL;
    }
    struct store_reply *reply = place(task, STORE_REPLY_LIST);
    if (reply == NULL || count == 0) {
        return reply;
    }
    reply->items = calloc((size_t)count, sizeof *reply->items);
    if (reply->items == NULL) {
        return give_up(task, reply);
    }
    reply->count = (size_t)count;
    return reply;
}

static void *create_number(const redisReadTask *task, long long number)
{
    struct store_reply *reply = place(task, STORE_REPLY_NUMBER);
    if (reply != NULL) {
        reply->number = number;
    }
    return reply;
}

static void *create_nil(const redisReadTask *task)
{
    return place(task, STORE_REPLY_NIL);
}

#if HIREDIS_MAJOR > 0
/* RESP3, which nobody asks a store for. Without these two hiredis returns a small number in place of an object. */
static void *create_double(const redisReadTask *task, double value, char *text, size_t length)
{
    (void)value, (void)text, (void)length;
    return place(task, STORE_REPLY_NIL);
}

static void *create_bool(const redisReadTask *task, int value)
{
    (void)value;
    return place(task, STORE_REPLY_NIL);
}
#endif

static void free_reply(void *object)
{
    struct store_reply *reply = object;
    store_reply_free(&reply);
}

static const redisReplyObjectFunctions creators = {.createString = create_text,
                                                   .createArray = create_list,
                                                   .createInteger = create_number,
                                                   .createNil = create_nil,
#if HIREDIS_MAJOR > 0
                                                   .createDouble = create_double,
                                                   .createBool = create_bool,
#endif
                                                   .freeObject = free_reply};

/* ---- the reader ---- */

static void begin_reply(struct store_reader *reader)
{
    reader->fed_bytes = 0;
    reader->items_left = STORE_REPLY_ITEMS_MOST;
}

struct store_reader *store_reader_create(void)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return NULL;
    }
    reader->creators = creators;
    reader->parser = redisReaderCreateWithFunctions(&reader->creators);
    if (reader->parser == NULL) {
        free(reader);
        return NULL;
    }
    reader->parser->privdata = reader;
    begin_reply(reader);
    return reader;
}

void store_reader_free(struct store_reader **reader)
{
    if (*reader != NULL) {
        redisReaderFree((*reader)->parser);
        free(*reader);
    }
    *reader = NULL;
}

bool store_reader_feed(struct store_reader *reader, const char *bytes, size_t length)
{
    reader->fed_bytes += length;
    return redisReaderFeed(reader->parser, bytes, length) == REDIS_OK;
}

enum store_read_result store_reader_take(struct store_reader *reader,
                                         struct store_reply **ret_reply)
{
    void *reply = NULL;
    if (redisReaderGetReply(reader->parser, &reply) != REDIS_OK) {
        return STORE_READ_RUBBISH;
    }
    if (reply == NULL) {
        return reader->fed_bytes > STORE_REPLY_BYTES_MOST ? STORE_READ_RUBBISH : STORE_READ_MORE;
    }
    begin_reply(reader);
    *ret_reply = reply;
    return STORE_READ_WHOLE;
}
