"""How ``review.html`` looks: light and dark by the reader's own choice, on paper always light."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --quiet: #57606a;
  --line: #d5dae0; --accent: #0b57a4; --good: #11632f; --good-ground: #e3f5e8; --bad: #a40e26;
  --bad-ground: #fdeaec; --warn: #7a4d00; --warn-ground: #fff4d6; --code: #f2f4f7; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #11151a; --panel: #191f26; --ink: #e4e9ee; --quiet: #9aa6b2; --line: #343d47;
    --accent: #76b4f5; --good: #77d497; --good-ground: #12301d; --bad: #ff98a3; --bad-ground: #3b161c;
    --warn: #f0c567; --warn-ground: #35290c; --code: #1d242c; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; padding-bottom: .3rem;
  border-bottom: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .5rem; }
h4 { font-size: .8rem; margin: 1.2rem 0 .35rem; color: var(--quiet); text-transform: uppercase;
  letter-spacing: .05em; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
a { color: var(--accent); }
code, pre, .id { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  font-size: .9em; }
code { overflow-wrap: anywhere; }
pre { background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: .65rem .8rem;
  margin: .3rem 0; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.45; }
.quiet { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; font-size: .85rem; white-space: nowrap; }
tbody th { color: inherit; font-weight: inherit; font-size: inherit; }
.tag { display: inline-block; border-radius: 4px; padding: .05rem .45rem; margin: 0 .25rem .15rem 0;
  font-size: .8rem; font-weight: 600; background: var(--panel); border: 1px solid var(--line); }
.bad { color: var(--bad); background: var(--bad-ground); border-color: currentColor; }
.warn { color: var(--warn); background: var(--warn-ground); border-color: currentColor; }
.good { color: var(--good); background: var(--good-ground); border-color: currentColor; }
.note { border-left: 4px solid var(--line); background: var(--panel); padding: .55rem .8rem; margin: .6rem 0;
  border-radius: 0 6px 6px 0; }
.note.bad { border-left-color: var(--bad); } .note.warn { border-left-color: var(--warn); }
.note.bad, .note.warn { color: inherit; }
.note p { margin: .2rem 0; }
.facts { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; margin: .8rem 0 0; padding: 0; }
.facts div { min-width: 7rem; } .facts dt { color: var(--quiet); font-size: .8rem; } .facts dd { margin: 0;
  font-weight: 600; }
.statement { border: 1px solid var(--line); border-radius: 6px; margin: .6rem 0; overflow: hidden; }
.statement pre { border: 0; border-radius: 0; margin: 0; }
.statement div { padding: .4rem .8rem; border-top: 1px solid var(--line); font-size: .88rem; }
.graph { display: block; max-width: none; }
.graph text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.graph .id { font: 600 13px ui-monospace, Menlo, Consolas, monospace; }
.graph .edge { fill: none; stroke: var(--quiet); stroke-width: 2; }
.graph circle { stroke: var(--accent); stroke-width: 2.5; fill: var(--accent); }
.graph .stands { fill: var(--ground); stroke: var(--quiet); }
.graph .single { fill: var(--ground); }
.graph .manual { fill: var(--warn-ground); stroke: var(--warn); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.4rem; font-size: .85rem; color: var(--quiet); }
.card { border: 1px solid var(--line); border-radius: 8px; margin: 1rem 0; overflow: hidden;
  break-inside: avoid; }
.card h3 { margin: 0; padding: .5rem .8rem; background: var(--panel); border-bottom: 1px solid var(--line); }
.card table { table-layout: fixed; }
.card td, .card th { padding: .25rem .8rem; font-size: .88rem; border-bottom: 1px dotted var(--line); }
.card thead th { border-bottom: 1px solid var(--line); }
.card .mark { width: 2.2rem; text-align: center; padding: .25rem 0; font-weight: 700; white-space: nowrap; }
.card tr.new td.after { background: var(--good-ground); color: var(--good); }
.card tr.gone td.before { background: var(--bad-ground); color: var(--bad); text-decoration: line-through; }
.card tr.changed td { background: var(--warn-ground); color: var(--warn); }
.card td { overflow-wrap: anywhere; }
.card ul { columns: 22rem 2; column-gap: 2rem; margin: 0; padding: .5rem .8rem .6rem; list-style: none; }
.card li { break-inside: avoid; padding: .15rem 0 .15rem 1rem; font-size: .88rem; text-indent: -1rem;
  overflow-wrap: anywhere; border-bottom: 1px dotted var(--line); }
.card ul.new li::before { content: "+ "; color: var(--good); font-weight: 700; }
.card ul.gone li::before { content: "- "; color: var(--bad); font-weight: 700; }
.card ul.gone { color: var(--bad); }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.card .ref { padding: .4rem .8rem; font-size: .85rem; color: var(--quiet); }
summary { cursor: pointer; color: var(--accent); font-weight: 600; margin: .6rem 0 .2rem; }
@media (max-width: 34rem) { main { padding: 1rem .8rem 3rem; } h1 { font-size: 1.35rem; }
  .card td, .card th { padding: .25rem .4rem; font-size: .8rem; } .card .mark { width: 1.5rem; } }
@media print {
  :root { color-scheme: light; --ground: #fff; --panel: #f3f4f6; --ink: #000; --quiet: #444; --line: #bbb;
    --accent: #0b3d73; --good: #0b4d22; --good-ground: #e6f4ea; --bad: #8a0a1f; --bad-ground: #fbe9eb;
    --warn: #5e3b00; --warn-ground: #fdf3d9; --code: #f6f7f8; }
  body { font-size: 10pt; } main { max-width: none; padding: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, h3, h4 { break-after: avoid; } .statement, .note, tr { break-inside: avoid; }
  .graph { max-width: 100%; height: auto; }
  @page { margin: 16mm 14mm; }
}
"""
