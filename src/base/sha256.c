/* SHA-256 of memory and of files, by libcrypto (which uses the processor's SHA instructions).
 *
 * Why: downloads are checked and reports name their inputs by hash. */
#include <efficientai/fs.h>

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <efficientai/alloc.h>

#include "base/io.h"

#include "base/banned.h"

#define CHUNK_BYTES ((size_t)1 << 20)

static void print_hex(char *hex, const unsigned char *digest, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *hex++ = digits[digest[i] >> 4];
        *hex++ = digits[digest[i] & 15];
    }
    *hex = '\0';
}

eai_status eai_sha256_memory(char hex[EAI_SHA256_HEX_SIZE], const void *data, size_t n,
                             eai_error *err)
{
    unsigned char digest[32];

    hex[0] = '\0';
    if (EVP_Digest(n ? data : "", n, digest, NULL, EVP_sha256(), NULL) != 1)
        return eai_error_set(err, EAI_ERR_INTERNAL, "SHA-256: libcrypto failed");
    print_hex(hex, digest, sizeof(digest));
    return EAI_OK;
}

/* Feeds the open file to the hash, a chunk at a time. */
static eai_status hash_file(EVP_MD_CTX *ctx, int fd, unsigned char *chunk, const char *path,
                            eai_error *err)
{
    for (;;) {
        ssize_t n = io__read(fd, chunk, CHUNK_BYTES);
        if (n < 0)
            return eai_error_set_errno(err, "cannot read '%s'", path);
        if (n == 0)
            return EAI_OK;
        if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
            return eai_error_set(err, EAI_ERR_INTERNAL, "SHA-256 of '%s': libcrypto failed", path);
    }
}

eai_status eai_sha256_file(char hex[EAI_SHA256_HEX_SIZE], const char *path, eai_error *err)
{
    unsigned char digest[32];
    eai_status st = EAI_OK;
    unsigned char *chunk = NULL;
    EVP_MD_CTX *ctx = NULL;

    hex[0] = '\0';
    int fd = io__open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return eai_error_set_errno(err, "cannot open '%s'", path);
    chunk = eai_alloc(CHUNK_BYTES);
    ctx = EVP_MD_CTX_new();
    if (!chunk || !ctx) {
        st = eai_error_set(err, EAI_ERR_NOMEM, "no memory to hash '%s'", path);
        goto done;
    }
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        st = eai_error_set(err, EAI_ERR_INTERNAL, "SHA-256 of '%s': libcrypto failed", path);
        goto done;
    }
    st = hash_file(ctx, fd, chunk, path, err);
    if (st != EAI_OK)
        goto done;
    if (EVP_DigestFinal_ex(ctx, digest, NULL) != 1) {
        st = eai_error_set(err, EAI_ERR_INTERNAL, "SHA-256 of '%s': libcrypto failed", path);
        goto done;
    }
    print_hex(hex, digest, sizeof(digest));
done:
    EVP_MD_CTX_free(ctx);
    eai_free(chunk);
    io__close(fd);
    return st;
}
