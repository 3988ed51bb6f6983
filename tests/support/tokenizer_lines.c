/* The lines that tokenizers are compared on; see the header. The tables stand in
 * tools/oracles/tokenizer_lines.py too, and a test proves that both make the same lines. */
#include "support/tokenizer_lines.h"

#include "support/eai_test.h"

typedef struct text_row {
    const char *s;
    size_t n;
} text_row;

#define TEXT(s)                                                                                    \
    {                                                                                              \
        s, sizeof(s) - 1                                                                           \
    }
#define COUNT(table) ((uint32_t)(sizeof(table) / sizeof((table)[0])))

static const uint32_t letters[][2] = {
    {0x0041, 0x005A},   {0x0061, 0x007A},   {0x00C0, 0x00D6},  {0x0100, 0x017F},
    {0x0250, 0x02AF},   {0x0391, 0x03A1},   {0x03B1, 0x03C9},  {0x0410, 0x044F},
    {0x0531, 0x0556},   {0x05D0, 0x05EA},   {0x0620, 0x064A},  {0x0905, 0x0939},
    {0x0995, 0x09A8},   {0x0B85, 0x0B8A},   {0x0E01, 0x0E30},  {0x0E81, 0x0E82},
    {0x0F40, 0x0F47},   {0x1000, 0x102A},   {0x10D0, 0x10FA},  {0x1100, 0x1159},
    {0x1200, 0x1248},   {0x13A0, 0x13EF},   {0x1780, 0x17B3},  {0x1820, 0x1842},
    {0x1E00, 0x1EFF},   {0x2C00, 0x2C2F},   {0x3041, 0x3096},  {0x30A1, 0x30FA},
    {0x4E00, 0x9FA5},   {0xAC00, 0xD7A3},   {0xFF21, 0xFF3A},  {0x10330, 0x1034A},
    {0x10400, 0x1044F}, {0x1D400, 0x1D454}, {0x20000, 0x2A6D6}};
static const uint32_t marks[][2] = {{0x0300, 0x036F}, {0x064B, 0x0652}, {0x093E, 0x094D},
                                    {0x0E34, 0x0E3A}, {0x3099, 0x309A}, {0xFE00, 0xFE0F},
                                    {0x20D0, 0x20DC}};
static const uint32_t symbols[][2] = {{0x0021, 0x002F},     {0x003A, 0x0040},   {0x005B, 0x0060},
                                      {0x007B, 0x007E},     {0x00A1, 0x00A9},   {0x2010, 0x2027},
                                      {0x2030, 0x205E},     {0x20A0, 0x20BF},   {0x2190, 0x21FF},
                                      {0x2200, 0x22FF},     {0x2500, 0x257F},   {0x3001, 0x3003},
                                      {0x1F300, 0x1F5FF},   {0x1F600, 0x1F64F}, {0xE000, 0xE0FF},
                                      {0x100000, 0x1000FF}, {0xFFF9, 0xFFFD}};
static const uint32_t digits[] = {0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10, 0x1D7CE};
static const uint32_t numbers[][2] = {{0x00B2, 0x00B3}, {0x00BC, 0x00BE}, {0x2160, 0x2188},
                                      {0x2460, 0x249B}, {0x3007, 0x3007}, {0x3021, 0x3029}};
static const uint32_t spaces[] = {0x20,   0x20,   0x20,   0x20,   0x9,    0xA,    0xA,
                                  0xD,    0xB,    0xC,    0x1C,   0x85,   0xA0,   0x1680,
                                  0x180E, 0x2000, 0x2003, 0x200A, 0x200B, 0x2028, 0x2029,
                                  0x202F, 0x205F, 0x3000, 0xFEFF};
static const text_row snippets[] = {
    TEXT("'s"),
    TEXT("'t"),
    TEXT("'re"),
    TEXT("'ve"),
    TEXT("'m"),
    TEXT("'ll"),
    TEXT("'d"),
    TEXT("'S"),
    TEXT("'LL"),
    TEXT("'\xC5\xBF"),
    TEXT("don't"),
    TEXT("I'd've"),
    TEXT("''s"),
    TEXT("\xE2\x80\x99s"),
    TEXT("\r\n"),
    TEXT("\n\n\n"),
    TEXT("  \n"),
    TEXT("\t\tif (x) {"),
    TEXT("for (int i = 0; i < 10; i++)"),
    TEXT("def f(x):\n    return x ** 2"),
    TEXT("#include <a.h>"),
    TEXT("0x1F"),
    TEXT("3.14159"),
    TEXT("1,000,000"),
    TEXT("https://example.org/a?b=c&d=%20"),
    TEXT("user@example.org"),
    TEXT("{\"key\": [1, 2.5, null]}"),
    TEXT("<div class=\"x\">"),
    TEXT("<!-- -->"),
    TEXT("a_b_c"),
    TEXT("CamelCase"),
    TEXT("C:\\dir\\file"),
    TEXT("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7"),
    TEXT("\xF0\x9F\x8F\xB3\xEF\xB8\x8F\xE2\x80\x8D\xF0\x9F\x8C\x88"),
    TEXT("\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD"),
    TEXT("\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA"),
    TEXT("1\xEF\xB8\x8F\xE2\x83\xA3"),
    TEXT("e\xCC\x81"),
    TEXT("\xC3\xA9"),
    TEXT("\xEF\xAC\x81"),
    TEXT("\xC4\xB0"),
    TEXT("\xC3\x9F"),
    TEXT("\x00"),
    TEXT("\x7F"),
    TEXT("\xC2\xAD"),
    TEXT("Stra\xC3\x9F"
         "e"),
    TEXT("na\xC3\xAFve"),
    TEXT("the quick brown fox"),
    TEXT(" jumps over"),
    TEXT(" the lazy dog"),
    TEXT("The capital of France is Paris."),
    TEXT(" "),
    TEXT("  ")};
static const text_row specials[] = {TEXT("<|im_start|>"),
                                    TEXT("<|im_end|>"),
                                    TEXT("<|endoftext|>"),
                                    TEXT("<repo_name>"),
                                    TEXT("<reponame>"),
                                    TEXT("<file_sep>"),
                                    TEXT("<filename>"),
                                    TEXT("<gh_stars>"),
                                    TEXT("<jupyter_code>"),
                                    TEXT("<empty_output>"),
                                    TEXT("<|im_"),
                                    TEXT("<|im_start|"),
                                    TEXT("<|im_start|>user\n"),
                                    TEXT("<|im_end|>\n<|im_start|>assistant\n"),
                                    TEXT("<<|im_end|>>"),
                                    TEXT("<|IM_END|>"),
                                    TEXT("<issue_closed"),
                                    TEXT("<issue_comment><issue_closed>")};

#define SEED 0x5EED0000u

static uint32_t pick(tokenizer_line *l, uint32_t n)
{
    uint64_t z = l->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

static void put(tokenizer_line *l, uint32_t c)
{
    assert_true(l->n + 4 <= TOKENIZER_LINE_MAX);
    if (c < 0x80) {
        l->text[l->n++] = (char)c;
        return;
    }
    if (c < 0x800) {
        l->text[l->n++] = (char)(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            l->text[l->n++] = (char)(0xE0 | c >> 12);
        } else {
            l->text[l->n++] = (char)(0xF0 | c >> 18);
            l->text[l->n++] = (char)(0x80 | (c >> 12 & 0x3F));
        }
        l->text[l->n++] = (char)(0x80 | (c >> 6 & 0x3F));
    }
    l->text[l->n++] = (char)(0x80 | (c & 0x3F));
}

static void put_text(tokenizer_line *l, const text_row *row)
{
    assert_true(l->n + row->n <= TOKENIZER_LINE_MAX);
    memcpy(l->text + l->n, row->s, row->n);
    l->n += row->n;
}

static uint32_t pick_of(tokenizer_line *l, const uint32_t range[2])
{
    return range[0] + pick(l, range[1] - range[0] + 1);
}

/* One character of any of the ranges. */
static void put_any(tokenizer_line *l, const uint32_t (*ranges)[2], uint32_t n_ranges)
{
    put(l, pick_of(l, ranges[pick(l, n_ranges)]));
}

static void put_words(tokenizer_line *l, uint32_t kind)
{
    const uint32_t *script = letters[kind < 2 ? pick(l, 2) : pick(l, COUNT(letters))];

    for (uint32_t n = 1 + pick(l, 4); n > 0; n--) {
        put(l, ' ');
        for (uint32_t k = 1 + pick(l, 10); k > 0; k--)
            put(l, pick_of(l, script));
    }
}

static void put_marked(tokenizer_line *l)
{
    for (uint32_t n = 1 + pick(l, 4); n > 0; n--) {
        put_any(l, letters, COUNT(letters));
        for (uint32_t k = 1 + pick(l, 3); k > 0; k--)
            put_any(l, marks, COUNT(marks));
    }
}

static void put_run(tokenizer_line *l)
{
    uint32_t c = 0;

    if (pick(l, 2) == 0)
        c = pick_of(l, letters[pick(l, COUNT(letters))]);
    else
        c = pick_of(l, symbols[pick(l, COUNT(symbols))]);
    for (uint32_t n = 20 + pick(l, 200); n > 0; n--)
        put(l, c);
}

static void put_part(tokenizer_line *l)
{
    uint32_t kind = pick(l, 16);

    if (kind < 4) {
        put_words(l, kind);
    } else if (kind == 4) {
        for (uint32_t n = 1 + pick(l, 8); n > 0; n--)
            put_any(l, letters, COUNT(letters));
    } else if (kind == 5) {
        uint32_t zero = digits[pick(l, COUNT(digits))];

        for (uint32_t n = 1 + pick(l, 9); n > 0; n--)
            put(l, zero + pick(l, 10));
    } else if (kind == 6) {
        for (uint32_t n = 1 + pick(l, 4); n > 0; n--)
            put_any(l, numbers, COUNT(numbers));
    } else if (kind == 7) {
        for (uint32_t n = 1 + pick(l, 5); n > 0; n--)
            put(l, spaces[pick(l, COUNT(spaces))]);
    } else if (kind == 8) {
        for (uint32_t n = 1 + pick(l, 6); n > 0; n--)
            put_any(l, symbols, COUNT(symbols));
    } else if (kind == 9) {
        put_marked(l);
    } else if (kind < 13) {
        put_text(l, &snippets[pick(l, COUNT(snippets))]);
    } else if (kind == 13) {
        put_text(l, &specials[pick(l, COUNT(specials))]);
    } else if (kind == 14) {
        put_run(l);
    } else {
        for (uint32_t n = 1 + pick(l, 12); n > 0; n--)
            put(l, pick(l, 256));
    }
}

void tokenizer_line_make(tokenizer_line *l, uint32_t i)
{
    l->state = SEED + i;
    l->n = 0;
    for (uint32_t n = 1 + pick(l, 12); n > 0; n--)
        put_part(l);
}

void tokenizer_hash_u32(EVP_MD_CTX *h, uint32_t v)
{
    unsigned char b[4] = {(unsigned char)v, (unsigned char)(v >> 8), (unsigned char)(v >> 16),
                          (unsigned char)(v >> 24)};

    EVP_DigestUpdate(h, b, sizeof(b));
}

void tokenizer_hash_end(char hex[65], EVP_MD_CTX *h)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    assert_int_equal(EVP_DigestFinal_ex(h, digest, NULL), 1);
    for (size_t i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
