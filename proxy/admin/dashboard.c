/* The files of the dashboard. */
#include "proxy/admin/dashboard.h"

#include "proxy/admin/dashboard_files.inc"

#define FILE_OF(function, file)                                          \
    void function(struct evbuffer *out, const struct overview *overview) \
    {                                                                    \
        (void)overview;                                                  \
        evbuffer_add_reference(out, file, sizeof file, NULL, NULL);      \
    }

FILE_OF(dashboard_html, index_html)
FILE_OF(dashboard_css, page_css)
FILE_OF(dashboard_page_js, page_js)
FILE_OF(dashboard_plot_js, plot_js)
FILE_OF(dashboard_icon, icon_svg)
