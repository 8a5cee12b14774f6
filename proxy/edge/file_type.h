/*
 * What a file is, by the end of its name.
 *
 * Owns nothing: a table. Thread: any. Spec: the IANA registry of media types; RFC 9239 (text/javascript). Texts are UTF-8.
 */
#ifndef EVENKEEL_PROXY_EDGE_FILE_TYPE_H
#define EVENKEEL_PROXY_EDGE_FILE_TYPE_H

/* The longest of the table. */
#define FILE_TYPE_MAX_BYTES 96

/* "application/octet-stream" for a name that says nothing. */
const char *file_type_of(const char *name);

#endif
