noinst_LIBRARIES += libsteady.a
libsteady_a_SOURCES =
