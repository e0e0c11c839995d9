/* What Wine's tests take from Wine's own C library: strings for messages. */
#include <string.h>

#define LEN 600

/* A text is good until sixteen more are made. */
const char *__wine_dbg_strdup(const char *s)
{
    static char texts[16][LEN];
    static int next;

    next = (next + 1) % 16;
    strncpy(texts[next], s, LEN - 1);
    return texts[next];
}

const char *debugstr_wn(const unsigned short *s, int n)
{
    char text[LEN];
    int i;

    if (!s) return "(null)";
    for (i = 0; i < n && i < LEN - 1; i++) text[i] = s[i] < 128 ? s[i] : '?';
    text[i] = 0;
    return __wine_dbg_strdup(text);
}

const char *debugstr_w(const unsigned short *s)
{
    int n = 0;

    if (!s) return "(null)";
    while (s[n]) n++;
    return debugstr_wn(s, n);
}
