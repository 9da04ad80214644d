/* include/kukeon/sanitizer.h - is this build one that a sanitizer watches over? */
#ifndef KK_SANITIZER_H
#define KK_SANITIZER_H

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define KK_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define KK_SANITIZED 1
#endif
#endif
#ifndef KK_SANITIZED
#define KK_SANITIZED 0
#endif

#endif
