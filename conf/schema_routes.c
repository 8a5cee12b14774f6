/* Every key of a route: one row each. */
#include "conf/schema.h"
#include "conf/schema_types.h"
#include "conf/schema_units.h"

#define AT(field) .at = offsetof(struct route_settings, field)
const struct schema_row schema_route_rows[] = {
    {"name", &type_optional_text, NULL, AT(name),
     .help = "name of the route in metrics and logs; none: route-1, route-2, ..."},
    {"listener", &type_optional_text, NULL, AT(match.listener),
     .help = "the route takes only requests of this listener"},
    {"listeners", &type_name_list, NULL, AT(match.listeners),
     .help = "the route takes only requests of these listeners"},
    {"host", &type_host, NULL, AT(match.host.name),
     .also_at = offsetof(struct route_settings, match.host.is_suffix),
     .help = "the route takes only requests for this host; *.NAME means every host below NAME"},
    {"hosts", &type_host_settings_list, NULL, AT(match.hosts),
     .help = "the route takes only requests for one of these hosts, each as in host"},
    {"path", &type_path, NULL, AT(match.path),
     .help = "the route takes only requests with this path, without the query"},
    {"path_prefix", &type_path, NULL, AT(match.path_prefix),
     .help =
         "the route takes only requests whose path begins with these segments: /api takes /api and /api/x, not /apiary; /api/ takes /api/x, not /api"},
    {"path_regex", &type_optional_text, NULL, AT(match.path_regex),
     .help =
         "the route takes only requests whose path has a match of this regular expression (PCRE2), such as \"^/v[12]/(.*)\"; one that needs too many steps for a path ends that request with 500"},
    {"methods", &type_method_list, NULL, AT(match.methods),
     .help = "the route takes only requests with these methods"},
    {"header", &type_header, NULL, AT(match.header_name),
     .also_at = offsetof(struct route_settings, match.header_value),
     .help =
         "the route takes only requests with this header field, and with this value if one is given"},
    {"query", &type_pair, NULL, AT(match.query_name),
     .also_at = offsetof(struct route_settings, match.query_value),
     .help =
         "the route takes only requests with this parameter in the query, such as \"debug\" or \"v=2\", compared as it is written"},
    {"cookie", &type_pair, NULL, AT(match.cookie_name),
     .also_at = offsetof(struct route_settings, match.cookie_value),
     .help =
         "the route takes only requests with this cookie, such as \"beta\", and with this value if one is given (\"beta=1\")"},
    {"clients", &type_prefix_list, NULL, AT(match.clients),
     .help =
         "the route takes only requests of clients with these addresses; behind trusted_peers the client is the one that they name"},
    {"upstream", &type_optional_text, NULL, AT(upstream),
     .help = "upstream that gets the requests of the route"},
    {"redirect.to", &type_edge_text, NULL, AT(redirect.to),
     .help =
         "the route answers with a redirect to this URL, such as \"https://{host}{target}\", in place of an upstream"},
    {"redirect.status", &type_count, "308", AT(redirect.status), .min = 301, .max = 308,
     .help = "status of the redirect: 301, 302, 303, 307 or 308; 307 and 308 keep the method"},
    {"respond.status", &type_count, NULL, AT(respond.status), .min = 200, .max = 599,
     .help = "the route answers with this status, in place of an upstream"},
    {"respond.type", &type_text, "text/plain; charset=utf-8", AT(respond.type),
     .help = "Content-Type of that answer"},
    {"respond.body", &type_edge_body, NULL, AT(respond.body), .help = "text of that answer"},
    {"files.root", &type_optional_text, NULL, AT(files.root),
     .help =
         "the route answers with the files below this folder, where the whole path of the request is looked for, without rewrite.strip_prefix if that is set; if the route has an upstream too, it gets what is no file there"},
    {"files.index", &type_file_list, "index.html", AT(files.index),
     .help = "names of the file that stands for its folder, in this order"},
    {"files.try", &type_try_list, NULL, AT(files.tries),
     .help =
         "what is looked for where there is no such file, in this order: an ending such as \".html\" that is put behind the path, or a path below the root such as \"/index.html\" (single-page applications)"},
    {"files.precompressed", &type_bool, "false", AT(files.precompressed),
     .help = "send FILE.zst, FILE.br or FILE.gz beside a file to clients that take this coding"},
    {"files.timeout", &type_duration, "10s", AT(files.timeout_ms), .min = MS, .max = HOUR,
     .help = "longest wait for the disk (else 503)"},
    {"access.allow", &type_prefix_list, NULL, AT(access.allow),
     .help =
         "addresses of clients that may use the route; others get 403. Behind trusted_peers the client is the one that they name"},
    {"access.deny", &type_prefix_list, NULL, AT(access.deny),
     .help = "addresses of clients that get 403, also if allow has them"},
    {"auth.forward.upstream", &type_optional_text, NULL, AT(auth.forward.upstream),
     .help =
         "a request of the route goes on only if this upstream answers with 2xx to a GET with the client's fields, X-Forwarded-Method and X-Forwarded-Uri; any other answer below 500 goes to the client, and no answer is 503 or 504"},
    {"auth.forward.path", &type_optional_text, NULL, AT(auth.forward.path),
     .help = "path of that GET, with a query if need be, such as \"/verify\""},
    {"auth.forward.copy", &type_removed_list, NULL, AT(auth.forward.copy),
     .help =
         "fields of that answer that go on with the request, such as \"Remote-User\"; what the client sent under these names, also with _, is dropped; the first one is the user in the access log"},
    {"auth.forward.timeout", &type_duration, "5s", AT(auth.forward.timeout_ms), .min = MS,
     .max = HOUR, .help = "longest wait for that answer (else 504)"},
    {"rewrite.path", &type_edge_text, NULL, AT(rewrite.path),
     .help =
         "path that goes to the upstream, such as \"/{1}\" with the first group of path_regex; the query goes on unless the text has one"},
    {"rewrite.strip_prefix", &type_path, NULL, AT(rewrite.strip_prefix),
     .help = "beginning that the path loses, in whole segments"},
    {"rewrite.host", &type_edge_text, NULL, AT(rewrite.host),
     .help = "host that the upstream is told, in place of the client's"},
    {"request.set", &type_fields, NULL, AT(edge.request.set),
     .help =
         "fields of requests that go to an upstream, of the route, after those at the top: each replaces those of its name; an empty value leaves the field out"},
    {"request.add", &type_fields, NULL, AT(edge.request.add),
     .help = "fields that are added to requests, beside those of the same name"},
    {"request.remove", &type_removed_list, NULL, AT(edge.request.remove),
     .help = "names of fields that requests lose"},
    {"response.set", &type_fields, NULL, AT(edge.response.set),
     .help =
         "fields of responses, our own too, of the route, after those at the top: each replaces those of its name"},
    {"response.add", &type_fields, NULL, AT(edge.response.add),
     .help = "fields that are added to responses, beside those of the same name"},
    {"response.remove", &type_removed_list, NULL, AT(edge.response.remove),
     .help = "names of fields that responses lose"},
    {"response.statuses", &type_status_range, "100-599", AT(edge.response.status_first),
     .also_at = offsetof(struct route_settings, edge.response.status_last),
     .help =
         "only responses with these statuses are changed so, such as \"200-399\" for a Cache-Control that errors must not have"},
    {"error_pages", &type_page_list, NULL, AT(edge.pages),
     .help =
         "what our own answers with a status of 400 or more say, from a file that is read at the start and at a reload; with intercept = true also in place of the upstream's answers"},
    {"deadline", &type_duration, NULL, AT(deadline_ms), .min = MS, .max = 30 * DAY,
     .help =
         "longest time up to the end of the response's head, in place of timeouts.total of the upstream, which must not be shorter unless the route has timeouts of its own"},
    {"buffer_request", &type_size, NULL, AT(buffer_bytes), .min = KIB, .max = 64 * MIB,
     .help =
         "up to so much of a request's body is taken in before an upstream is asked, so that slow clients hold no place there; a longer body goes on as it comes from there"},
    {"limits.body", &type_size_or_none, NULL, AT(body_bytes), .min = 1, .max = 1024 * 1024 * GIB,
     .help =
         "longest payload of a request of the route (else 413), in place of limits.body at the top, be it longer or shorter"},
    {"timeouts.first_byte", &type_duration, NULL, AT(given_timeouts.first_byte_ms), .min = MS,
     .max = 30 * DAY,
     .help =
         "in place of timeouts.first_byte of the upstream; it raises per_try, the total and stream of the route, where these are not given, so that it fits"},
    {"timeouts.idle", &type_duration, NULL, AT(given_timeouts.idle_ms), .min = MS, .max = 30 * DAY,
     .help = "in place of timeouts.idle of the upstream"},
    {"timeouts.per_try", &type_duration, NULL, AT(given_timeouts.per_try_ms), .min = MS,
     .max = 30 * DAY, .help = "in place of timeouts.per_try of the upstream"},
    {"timeouts.stream", &type_duration, NULL, AT(given_timeouts.stream_ms), .min = MS,
     .max = 366 * DAY, .help = "in place of timeouts.stream of the upstream"},
    {"timeouts.grpc_idle", &type_duration, NULL, AT(given_timeouts.grpc_idle_ms), .min = MS,
     .max = 30 * DAY, .help = "in place of timeouts.grpc_idle of the upstream"},
    {"timeouts.tunnel_idle", &type_duration, NULL, AT(given_timeouts.tunnel_idle_ms), .min = MS,
     .max = 30 * DAY, .help = "in place of timeouts.tunnel_idle of the upstream"},
    {"timeouts.tunnel_total", &type_duration, NULL, AT(given_timeouts.tunnel_total_ms), .min = MS,
     .max = 366 * DAY, .help = "in place of timeouts.tunnel_total of the upstream"},
    {"upgrade", &type_protocol_list, NULL, AT(upgrades),
     .help =
         "the only protocols that requests may be upgraded to, such as \"websocket\"; [ \"none\" ]: none; not given: any. Never h2c, TLS or another version of HTTP"},
    {"rate.per_second", &type_number, "0.0", AT(rate.per_second), .min = 0, .max = 1e9,
     .help = "highest rate of requests of the route, per second (else 503); 0: no limit"},
    {"rate.burst", &type_number, "0.0", AT(rate.burst), .min = 0, .max = 1e9,
     .help = "number of requests that may come at once above that rate"},
    {"rate.retry_reserve", &type_number, "0.25", AT(rate.retry_reserve), .min = 0, .max = 1,
     .help = "share of the burst that is kept from retries of trusted_peers"},
    {"key_rate.per_second", &type_number, "0.0", AT(key_rate.rate.per_second), .min = 0, .max = 1e9,
     .help = "highest rate of requests of each key, per second (else 429); 0: no limit"},
    {"key_rate.burst", &type_number, "0.0", AT(key_rate.rate.burst), .min = 0, .max = 1e9,
     .help = "number of requests of a key that may come at once above that rate"},
    {"key_rate.retry_reserve", &type_number, "0.25", AT(key_rate.rate.retry_reserve), .min = 0,
     .max = 1, .help = "share of the burst that is kept from retries of trusted_peers"},
    {"key_rate.key", &type_key, "client", AT(key_rate.key),
     .also_at = offsetof(struct route_settings, key_rate.key_name),
     .help =
         "what the key of a request is: \"host\", \"client\" (its address) or \"header:NAME\"; requests without the field share one key"},
    {"key_rate.keys", &type_count, "16384", AT(key_rate.keys_count), .min = 8, .max = 16e6,
     .help =
         "number of keys that are remembered; those that use least of their rate are forgotten first"},
    {"shards.count", &type_count, "0", AT(shards.count), .min = 0, .max = 1024,
     .help = "number of shards; 0: none"},
    {"shards.key", &type_key, "header:X-Tenant", AT(shards.key),
     .also_at = offsetof(struct route_settings, shards.key_name),
     .help =
         "what the key is that chooses the shard of a request: \"host\", \"client\" (its address) or \"header:NAME\""},
    {"shards.shuffle", &type_bool, "false", AT(shards.shuffle),
     .help =
         "each key has two shards and uses the emptier one, so that a key that fills its shards leaves one shard to most other keys"},
    {"shards.in_flight", &type_count, "64", AT(shards.in_flight_count), .min = 1, .max = 1e6,
     .help =
         "highest number of exchanges in flight in a shard, over all workers; exact; further exchanges queue"},
    {"shards.queue", &type_count, "16", AT(shards.queue_count), .min = 0, .max = 1e6,
     .help =
         "highest number of exchanges in the queue of a shard, each for at most limits.queue_wait (else 503)"},
    {"shards.rate.per_second", &type_number, "0.0", AT(shards.rate.per_second), .min = 0,
     .max = 1e9, .help = "highest rate of requests of a shard, per second (else 503); 0: no limit"},
    {"shards.rate.burst", &type_number, "0.0", AT(shards.rate.burst), .min = 0, .max = 1e9,
     .help = "number of requests of a shard that may come at once above that rate"},
    {"shards.rate.retry_reserve", &type_number, "0.25", AT(shards.rate.retry_reserve), .min = 0,
     .max = 1, .help = "share of the burst that is kept from retries of trusted_peers"},
    {0},
};
