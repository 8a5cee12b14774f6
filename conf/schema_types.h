/*
 * The kinds of values that the rows of the schema have. See conf/schema.h. Private to conf/.
 *
 * Owns nothing: tables. Thread: any.
 */
#ifndef EVENKEEL_CONF_SCHEMA_TYPES_H
#define EVENKEEL_CONF_SCHEMA_TYPES_H

#include "conf/schema.h"

#define HOSTNAME_MAX 253
/* A name, or an IPv6 address in brackets. */
bool schema_host_valid(const char *text);

extern const struct schema_type type_duration, type_size, type_size_or_auto, type_size_or_none,
    type_count, type_count_or_auto, type_number, type_bool, type_text, type_optional_text,
    type_word, type_address, type_listen_list, type_server_list, type_prefix_list, type_path_or_off,
    type_balance, type_key, type_host, type_host_list, type_host_settings_list, type_path,
    type_pair, type_name_list, type_header, type_method_list, type_field_list, type_protocol_list,
    type_alpn_list, type_endpoint_list, type_collector, type_condition_list, type_certificate_list,
    type_status_range, type_edge_text, type_edge_body, type_fields, type_page_list, type_mirror,
    type_removed_list, type_coding_list, type_media_list, type_file_list, type_try_list,
    type_split_key, type_route_upstream_list, type_cookie_name, type_edge_list;

/* Whether a field is written by the proxy itself, so that no route may change it. */
bool edge_field_kept(const char *name);
#define EDGE_FIELD_KEPT_FORMAT "%s is written by the proxy itself%s"

/* Words of sticky.same_site. */
extern const char *const schema_same_sites[];

/* The rows of sections that have a file of their own: conf/schema_process.c, schema_upstreams.c, schema_routes.c. */
extern const struct schema_row schema_process_rows[], schema_upstream_rows[], schema_route_rows[];

#endif
