"""What a scenario needs: a running proxy, real peers around it, and a verdict in TAP.

A scenario file is a program: it declares scenarios, each named after the failure it guards
against, and ends with run(). Environment:

  EVENKEEL           the program under test (default ./evenkeel)
  EVENKEEL_PROXY     "evenkeel" or "nginx": who plays the proxy (nginx judges the scenarios themselves)
  EVENKEEL_SCALE     "full" for the full figures; anything else is scaled down, asserting the same
  EVENKEEL_PATIENCE  factor on every deadline (default 1; a sanitizer build chooses its own)
  EVENKEEL_KEEP      keep the temporary directories
"""

from . import leftovers, ports
from .accessibility import axe_source, violations
from .attacks import KeyUpdates, Trickle, Uploads, begin_upload, crowd, network, slow_reader
from .browser import Browser
from .bystander import Bystander
from .certificates import Authority, Certificate, replace as replace_certificate
from .client import Client, Interrupted, get, head
from .commands import curl, h2load, promtool, run_tool, wrk, wrk_in_background
from .dns import DnsServer, Dnsmasq, Silence
from .drift_looks import Load, drift_figures
from .ending import describe_exit
from .forgery import FORGED, believed_fields, forged, malformed_in_http2, spellings_of_http1, spellings_of_http2
from .libssl import Libssl
from .log_lines import access_rows, log_lines
from .origin import Arrived, LocalOrigin, RawOrigin, describe, reads_body, takes
from .pace import Pace
from .parallel import beside, in_parallel
from .peers import HaproxyOrigin, NginxOrigin, NodeServer, OpensslServer, WsgiOrigin, node_modules, node_program
from .process import ESTABLISHED, LISTENING, MemoryWatch, Process, stopped_thread
from .processor import Stopwatch
from .proxy import SANITIZED, THE_PROXY, NginxProxy, program, run_program, start_proxy
from .redis_store import RedisStore
from .settings import Address, merge, render
from .tap import run, scenario
from .verdict import Failed, Skipped, becomes, check, check_equal, eventually, full_scale, once_of, patient, promptly, scaled
from .wire import Broken, Reader, Request, Response
