/*
 * The dashboard: a page about the process for a browser, with its script, style and icon.
 *
 * The files of the folder dashboard/ are part of the program. They ask this server for JSON and nobody else for anything, which the
 * Content-Security-Policy of all answers also holds (admin.c).
 *
 * Owns nothing. Thread: control.
 */
#ifndef EVENKEEL_PROXY_ADMIN_DASHBOARD_H
#define EVENKEEL_PROXY_ADMIN_DASHBOARD_H

#include <event2/buffer.h>

struct overview;

void dashboard_html(struct evbuffer *out, const struct overview *overview);
void dashboard_css(struct evbuffer *out, const struct overview *overview);
void dashboard_page_js(struct evbuffer *out, const struct overview *overview);
void dashboard_plot_js(struct evbuffer *out, const struct overview *overview);
void dashboard_icon(struct evbuffer *out, const struct overview *overview);

#endif
