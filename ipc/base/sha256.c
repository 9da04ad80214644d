/* ipc/base/sha256.c */
#include <kukeon/sha256.h>

#include <stdio.h>

void kk_sha256_end(SHA256_CTX *sum, char *text)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256_Final(hash, sum);
	for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
		snprintf(&text[2 * i], 3, "%02x", hash[i]);
}

void kk_sha256_text(const void *data, size_t len, char *text)
{
	SHA256_CTX sum;

	SHA256_Init(&sum);
	SHA256_Update(&sum, data, len);
	kk_sha256_end(&sum, text);
}
