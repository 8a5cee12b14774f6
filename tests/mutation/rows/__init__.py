"""All rows, from a module for each area of the program."""

from . import admin, client, control, edge, exchange, fleet, http1, http2, policy, pool, telling, tls

ROWS = tuple(row for area in (http1, http2, pool, tls, policy, exchange, client, edge, control, admin, telling, fleet)
             for row in area.ROWS)
