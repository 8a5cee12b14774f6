/*
 * Responses that are for one client alone, such as those that set its cookie.
 *
 * Owns nothing: the head is in the caller's space. Thread: any. Spec: RFC 9111 5.2.2.7 (private), RFC 9213 (what is for one kind of
 * cache, and goes before Cache-Control there).
 */
#ifndef EVENKEEL_PROXY_EDGE_EDGE_PRIVATE_H
#define EVENKEEL_PROXY_EDGE_EDGE_PRIVATE_H

#include "proxy/http/http_head.h"

struct buf;

/* What edge_keep_from_caches() adds: a field of so many bytes. */
#define EDGE_PRIVATE_BYTES (sizeof "Cache-Control" + sizeof "private")

/* Tells shared caches to keep the response to themselves no longer than they pass it on: adds Cache-Control: private, and takes away what
   some caches would obey in its place. The head is a copy (edge_head_copy()) with room for a field more. */
void edge_keep_from_caches(struct http_head *head, struct buf *space);

#endif
