// The frame that every display shares as HTML: its style, a title, a table of facts. Their plain-text
// twins are in `plain_view.ts`. The style follows the themes of JupyterLab and VS Code through their variables;
// elsewhere greys are derived from the text colour around it, which fits light and dark pages alike,
// and the two colours follow what the reader prefers. All
// selectors start at `.dipper-view`: the page around it is left alone, and JupyterLab's own table
// rules are outweighed.

import { Html, type HtmlPart, markedText, markup } from "./html.ts";
import {
  type Cell,
  type Column,
  type Fact,
  MAX_TITLE,
  MAX_VALUE,
  shownTags,
} from "./plain_view.ts";
import { cutMiddle } from "./visible_text.ts";

const STYLE = new Html(`<style>
.dipper-view{--dipper-blue:#1f6fb5;--dipper-red:#c9302c;--dipper-weak:var(--jp-content-font-color2,var(--vscode-descriptionForeground,color-mix(in srgb,currentColor 72%,transparent)));--dipper-line:var(--jp-border-color2,color-mix(in srgb,currentColor 24%,transparent));--dipper-panel:color-mix(in srgb,currentColor 6%,transparent);--dipper-accent:var(--jp-brand-color1,var(--vscode-charts-blue,var(--dipper-blue)));--dipper-error:color-mix(in srgb,var(--jp-error-color1,var(--vscode-errorForeground,var(--dipper-red))) 78%,currentColor);--dipper-mono:var(--jp-code-font-family,var(--vscode-editor-font-family,ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace));color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit));font-family:var(--jp-ui-font-family,var(--vscode-font-family,system-ui,sans-serif));font-size:13px;line-height:1.45;text-align:left;max-width:100%;padding:2px 0 4px}
@media (prefers-color-scheme:dark){.dipper-view{--dipper-blue:#6cb0f0;--dipper-red:#ff7b72}}
.dipper-view *{box-sizing:border-box}
.dipper-view .dipper-title{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 10px;margin:0 0 6px}
.dipper-view .dipper-name{font-weight:600;font-size:14px;overflow-wrap:anywhere}
.dipper-view .dipper-weak{color:var(--dipper-weak)}
.dipper-view .dipper-tag{border:1px solid var(--dipper-line);border-radius:9px;padding:0 8px;font-size:12px;overflow-wrap:anywhere}
.dipper-view .dipper-code,.dipper-view code.dipper-code.dipper-code{font-family:var(--dipper-mono);font-size:12px;overflow-wrap:anywhere;background:none;padding:0;color:inherit}
.dipper-view .dipper-escape{color:var(--dipper-error);background:var(--dipper-panel);border-radius:2px}
.dipper-view table.dipper-facts,.dipper-view table.dipper-table{border-collapse:collapse;border:0;margin:0;table-layout:auto;font-size:13px;color:inherit;width:auto}
.dipper-view table.dipper-facts tr,.dipper-view table.dipper-table tr{background:none;border:0;text-align:left}
.dipper-view table.dipper-facts tbody th,.dipper-view table.dipper-facts tbody td{border:0;padding:1px 0;text-align:left;vertical-align:top;white-space:normal;line-height:1.45;max-width:none}
.dipper-view table.dipper-facts tbody th{font-weight:400;color:var(--dipper-weak);padding-right:16px;white-space:nowrap}
.dipper-view table.dipper-facts tbody td{overflow-wrap:anywhere}
.dipper-view .dipper-box{overflow:auto;max-width:100%;border:1px solid var(--dipper-line);border-radius:4px;margin:8px 0 0;width:fit-content}
.dipper-view table.dipper-table thead th{font-weight:600;background:var(--dipper-panel);border:0;border-bottom:1px solid var(--dipper-line);padding:4px 12px;text-align:left;white-space:nowrap;vertical-align:bottom}
.dipper-view table.dipper-table tbody td,.dipper-view table.dipper-table tbody th{font-weight:400;border:0;border-top:1px solid color-mix(in srgb,currentColor 10%,transparent);padding:3px 12px;text-align:left;white-space:nowrap;vertical-align:top;line-height:1.45;max-width:none}
.dipper-view table.dipper-table tbody tr:first-child>*{border-top:0}
.dipper-view table.dipper-table tbody tr:nth-child(n):hover{background:var(--dipper-panel)}
.dipper-view table.dipper-table thead th.dipper-number,.dipper-view table.dipper-table tbody td.dipper-number{text-align:right;font-variant-numeric:tabular-nums}
.dipper-view table.dipper-table tbody td.dipper-words{white-space:normal;min-width:min(30ch,60vw);max-width:72ch;overflow-wrap:anywhere}
.dipper-view pre.dipper-pre{font-family:var(--dipper-mono);font-size:12px;line-height:1.45;margin:0;padding:8px 12px;border:0;background:none;color:inherit;white-space:pre;overflow:visible;width:max-content;min-width:100%}
.dipper-view .dipper-note{color:var(--dipper-weak);margin:6px 0 0;overflow-wrap:anywhere}
.dipper-view .dipper-image{display:block;max-width:100%;max-height:420px;width:auto;height:auto;margin:0;background:repeating-conic-gradient(color-mix(in srgb,currentColor 12%,transparent) 0 25%,transparent 0 50%) 0 0/16px 16px}
.dipper-view details{margin:0 0 0 16px}
.dipper-view summary{cursor:pointer;display:list-item;list-style-position:outside;white-space:nowrap}
.dipper-view .dipper-json{max-height:460px;overflow:auto;font-family:var(--dipper-mono);font-size:12px;padding:8px 12px;min-width:0}
.dipper-view .dipper-leaf{padding-left:16px;overflow-wrap:anywhere}
.dipper-view .dipper-string{color:var(--jp-mirror-editor-string-color,inherit)}
.dipper-view .dipper-bar{display:flex;height:10px;width:clamp(60px,20vw,260px);border-radius:5px;overflow:hidden;background:color-mix(in srgb,currentColor 14%,transparent);margin:5px 0}
.dipper-view .dipper-spread{display:flex;align-items:flex-end;gap:1px;height:16px;margin:1px 0}
.dipper-view .dipper-spread span{display:block;width:2px;background:var(--dipper-accent)}
.dipper-view .dipper-fill{display:block;height:10px;background:var(--dipper-accent)}
.dipper-view .dipper-error{border-left:3px solid var(--dipper-error);padding:2px 0 2px 12px}
.dipper-view .dipper-message{margin:0 0 6px;white-space:pre-wrap;overflow-wrap:anywhere}
.dipper-view .dipper-error .dipper-name{color:var(--dipper-error)}
</style>`);

/** Wraps a display: style and body in one element. */
export function view(...body: HtmlPart[]): Html {
  return markup`<div class="dipper-view">${STYLE}${body}</div>`;
}

/** The first line: a name, and after it what the thing is, as tags. */
export function title(name: string, tags: readonly (string | undefined)[]): Html {
  const shown = shownTags(tags).map((tag) => markup`<span class="dipper-tag">${tag}</span>`);
  const first = markup`<span class="dipper-name"><bdi>${
    markedText(cutMiddle(name, MAX_TITLE))
  }</bdi></span>`;
  return markup`<div class="dipper-title">${first}${shown}</div>`;
}

/** Facts as a two-column table whose first column heads the rows. */
export function factsTable(facts: readonly Fact[]): Html {
  const rows = facts.map(({ label, value, note, code }) => {
    const text = markedText(cutMiddle(value, MAX_VALUE));
    const shown = code ? markup`<code class="dipper-code">${text}</code>` : text;
    const aside = note && markup` <span class="dipper-weak">${note}</span>`;
    return markup`<tr><th scope="row">${
      cutMiddle(label, MAX_TITLE)
    }</th><td><bdi>${shown}</bdi>${aside}</td></tr>`;
  });
  return markup`<table class="dipper-facts"><tbody>${rows}</tbody></table>`;
}

/** A table in a box that scrolls by itself when the output is narrow. */
export function dataTable(
  label: string,
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
): Html {
  const heads = columns.map(({ name, numeric }) => {
    const className = numeric ? "dipper-number" : "dipper-text";
    return markup`<th scope="col" class="${className}">${
      markedText(cutMiddle(name, MAX_TITLE))
    }</th>`;
  });
  const body = rows.map((row) => {
    const cells = row.map((cell, index) => {
      const { numeric, code, wraps } = columns[index] ?? {};
      const kind = numeric ? "dipper-number" : code ? "dipper-code" : "dipper-text";
      const className = wraps ? `${kind} dipper-words` : kind;
      const { text, html, bar, title } = cell;
      const tip = title === undefined ? undefined : markup` title="${cutMiddle(title, MAX_VALUE)}"`;
      const shown = html ??
        (bar === undefined ? markedText(cutMiddle(text, MAX_VALUE)) : barOf(bar));
      return markup`<td class="${className}"${tip}>${shown}</td>`;
    });
    return markup`<tr>${cells}</tr>`;
  });
  const head = markup`<thead><tr>${heads}</tr></thead>`;
  const table =
    markup`<table class="dipper-table" aria-label="${label}">${head}<tbody>${body}</tbody></table>`;
  return box(label, table);
}

/** A bordered part that scrolls in itself. The keyboard reaches it, a screen reader names it. */
export function box(label: string, content: Html): Html {
  return markup`<div class="dipper-box" role="region" aria-label="${label}" tabindex="0">${content}</div>`;
}

/** A weaker line below a table. */
export function noteLine(text: HtmlPart): Html {
  return markup`<div class="dipper-note">${text}</div>`;
}

/** A part of a whole. What is there shows at least a sliver. */
function barOf(share: number): Html {
  const percent = share > 0 ? Math.max(0.8, share * 100).toFixed(1) : "0";
  const fill = markup`<span class="dipper-fill" style="width:${percent}%"></span>`;
  return markup`<span class="dipper-bar" aria-hidden="true">${fill}</span>`;
}
