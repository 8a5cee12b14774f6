/*
 * Which sanitizer the code is built with: SANITIZE_ADDRESS and SANITIZE_THREAD are 1 or 0.
 *
 * Owns nothing. gcc defines a macro for each, clang has features.
 */
#ifndef EVENKEEL_STEADY_SANITIZE_H
#define EVENKEEL_STEADY_SANITIZE_H

#ifdef __has_feature
#define SANITIZE_HAS(feature) __has_feature(feature)
#else
#define SANITIZE_HAS(feature) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || SANITIZE_HAS(address_sanitizer)
#define SANITIZE_ADDRESS 1
#else
#define SANITIZE_ADDRESS 0
#endif

#if defined(__SANITIZE_THREAD__) || SANITIZE_HAS(thread_sanitizer)
#define SANITIZE_THREAD 1
#else
#define SANITIZE_THREAD 0
#endif

#endif
