/*
 * sanitized -- is this a build with sanitizers? Long tests do a part of their work there: what they
 * look for is found by the other builds, and memory errors show in a part as well.
 */
#ifndef VARVE_TESTS_SUPPORT_SANITIZED_H
#define VARVE_TESTS_SUPPORT_SANITIZED_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#endif
