/* include/kukeon/sha256.h - the SHA-256 of libcrypto. By its own functions: behind the general ones stand all algorithms
 * there are, whose tables each of our processes would relocate at its start. */
#ifndef KK_SHA256_H
#define KK_SHA256_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

enum { KK_SHA256_TEXT = 2 * SHA256_DIGEST_LENGTH + 1 };

/* Take the sum, as lower-case hexadecimal digits, into @text of KK_SHA256_TEXT bytes. */
void kk_sha256_end(SHA256_CTX *sum, char *text);
void kk_sha256_text(const void *data, size_t len, char *text);

#endif
