/* What the headers of Wine's tests expect to have been declared. */
extern const char *debugstr_wn(const unsigned short *s, int n);
extern const char *debugstr_w(const unsigned short *s);
extern const char *__wine_dbg_strdup(const char *s);
