/* SPDX-License-Identifier: MIT */
#include "models/report/html.h"

#include <errno.h>
#include <stdio.h>

static const char style[] =
    ":root{color-scheme:light dark;--page:#fff;--card:#f6f7f9;--ink:#1c2330;--dim:#5b6576;"
    "--line:#d9dee6;--a:#1f5fbf;--b:#c2570c;--c:#8a93a3}\n"
    "@media(prefers-color-scheme:dark){:root{--page:#12161d;--card:#1b212b;--ink:#e7ebf2;"
    "--dim:#9aa5b6;--line:#313a48;--a:#76abff;--b:#ffa25c;--c:#7d8798}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:20px 16px 56px;max-width:1040px;background:var(--page);"
    "color:var(--ink);font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\n"
    "h1{font-size:1.5rem;line-height:1.25;margin:.4em 0;overflow-wrap:anywhere}\n"
    "h2{font-size:1.15rem;margin:2.2em 0 .6em}\n"
    "h3{font-size:1rem;margin:0 0 .4em}\n"
    "p{margin:.5em 0;max-width:72ch}\n"
    ".dim,figcaption,th,small{color:var(--dim)}\n"
    "small{display:block;font-size:.85em}\n"
    ".tiles,.charts{display:grid;gap:14px;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,150px),1fr))}\n"
    ".charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr))}\n"
    ".tile,figure{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:12px 14px;margin:0}\n"
    "figure{max-width:560px}\n"
    ".tile b{display:block;font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums}\n"
    ".wide{overflow-x:auto;margin:.6em 0}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:5px 14px 5px 0;text-align:right;white-space:nowrap;"
    "border-bottom:1px solid var(--line)}\n"
    "th{font-weight:500}\n"
    "th:first-child,td.text,table:has(td.text) th:last-child{text-align:left}\n"
    "td.text{white-space:normal;min-width:14em}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:.3em 0}\n"
    "dt{color:var(--dim)}\n"
    "dd{margin:0;overflow-wrap:anywhere;min-width:0}\n"
    "ol{margin:0;padding-left:1.3em}\n"
    "svg{display:block;width:100%;height:auto;margin-top:6px}\n"
    "svg text{fill:var(--dim);font-size:14px}\n"
    "svg .value{fill:var(--ink)}\n"
    ".grid{stroke:var(--line);stroke-width:1}\n"
    ".line{fill:none;stroke-width:2.5;stroke-linejoin:round}\n"
    ".ideal{stroke:var(--dim);stroke-width:1.5;stroke-dasharray:5 5}\n"
    ".line.s0,.line.s1,.line.s2{fill:none}\n"
    ".s0{fill:var(--a);stroke:var(--a)}.s1{fill:var(--b);stroke:var(--b)}"
    ".s2{fill:var(--c);stroke:var(--c)}\n"
    "rect.s0,rect.s1,rect.s2{stroke:none}\n"
    ".key{display:inline-block;margin-right:14px}\n"
    ".key i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:6px}\n"
    "i.s0{background:var(--a)}i.s1{background:var(--b)}i.s2{background:var(--c)}\n"
    "@media(max-width:520px){body{font-size:15px}dl{grid-template-columns:1fr}"
    "dd{margin-bottom:4px}}\n"
    "@media print{body{max-width:none}figure{break-inside:avoid}}\n";

void nbx_html_text(struct nbx_buf *out, struct nbx_str text)
{
    for (uint32_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        switch (c) {
        case '&': nbx_buf_printf(out, "&amp;"); break;
        case '<': nbx_buf_printf(out, "&lt;"); break;
        case '>': nbx_buf_printf(out, "&gt;"); break;
        case '"': nbx_buf_printf(out, "&quot;"); break;
        case '\'': nbx_buf_printf(out, "&#39;"); break;
        default: nbx_buf_put_u8(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : (uint8_t)c); break;
        }
    }
}

void nbx_html_begin(struct nbx_buf *out, struct nbx_str title)
{
    nbx_buf_printf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
                        "\n<title>");
    nbx_html_text(out, title);
    nbx_buf_printf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>", style);
    nbx_html_text(out, title);
    nbx_buf_printf(out, "</h1>\n");
}

void nbx_html_end(struct nbx_buf *out)
{
    nbx_buf_printf(out, "</body>\n</html>\n");
}

void nbx_html_section(struct nbx_buf *out, const char *heading)
{
    nbx_buf_printf(out, "<section>\n<h2>%s</h2>\n", heading);
}

void nbx_html_close(struct nbx_buf *out, const char *element)
{
    nbx_buf_printf(out, "</%s>\n", element);
}

void nbx_html_table(struct nbx_buf *out, const char *const *heads, size_t n)
{
    nbx_buf_printf(out, "<div class=\"wide\"><table>\n<thead><tr>");
    for (size_t i = 0; i < n; i++) {
        nbx_buf_printf(out, "<th>");
        nbx_html_text(out, nbx_str_c(heads[i]));
        nbx_buf_printf(out, "</th>");
    }
    nbx_buf_printf(out, "</tr></thead>\n<tbody>\n");
}

void nbx_html_table_end(struct nbx_buf *out)
{
    nbx_buf_printf(out, "</tbody></table></div>\n");
}

void nbx_html_two_figures(struct nbx_buf *out, const char *const keys[2], const double values[2],
                          int digits)
{
    nbx_buf_printf(out,
                   "<td><span data-figure=\"%s\">%.*f</span>"
                   "<small data-figure=\"%s\">%.*f</small></td>",
                   keys[0], digits, values[0], keys[1], digits, values[1]);
}

void nbx_html_figure(struct nbx_buf *out, const char *key, double value, int digits)
{
    nbx_buf_printf(out, "<td data-figure=\"%s\">%.*f</td>", key, digits, value);
}

void nbx_html_count(struct nbx_buf *out, const char *key, size_t value)
{
    nbx_buf_printf(out, "<td data-figure=\"%s\">%zu</td>", key, value);
}

enum nbx_err nbx_html_save(const char *path, const struct nbx_buf *page, struct nbx_fault *fault)
{
    if (page->failed)
        return nbx_fault_set(fault, NBX_ELIMIT, path, "out of memory");
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(page->p, 1, page->len, f) == page->len;
    ok = f && fclose(f) == 0 && ok;
    return ok ? NBX_OK : nbx_fault_set(fault, NBX_ESTORAGE, path, "%s", strerror(errno));
}
