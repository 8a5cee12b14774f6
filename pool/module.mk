noinst_LIBRARIES += libpool.a
libpool_a_SOURCES =
