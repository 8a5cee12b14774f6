noinst_LIBRARIES += libtls.a
libtls_a_SOURCES =
