#include "proxy/http2/h2_error.h"

ENUM_NAME_FUNCTION(h2_code_name, enum h2_code, H2_CODES)
ENUM_NAME_FUNCTION(h2_fault_name, enum h2_fault, H2_FAULTS)
