"""The look of a page: light and dark, and print. Colours are those of Okabe and Ito, which all eyes tell apart."""

CSS = """
:root{color-scheme:light dark;--page:#f6f7f9;--sheet:#fff;--ink:#17212b;--soft:#5a6877;--rule:#dde3ea;--grid:#e9edf2;
--accent:#0b5c8a;--tint:#e8f1f7;--warn:#8a4b00;--warn-page:#fff5e6;
--c0:#0072b2;--c1:#d55e00;--c2:#00835f;--c3:#b0518c;--c4:#b07d00;--c5:#2a9fd8;--c6:#5b4fb0;--c7:#444d57;--heat:0,114,178}
@media (prefers-color-scheme:dark){:root{--page:#0f151b;--sheet:#182028;--ink:#e6ecf2;--soft:#9aa8b6;--rule:#2c3843;
--grid:#25303a;--accent:#6fb9e6;--tint:#1d2c38;--warn:#ffc26b;--warn-page:#2c2415;
--c0:#56b4e9;--c1:#ff8a3d;--c2:#2fc79b;--c3:#e08cc0;--c4:#e8b93a;--c5:#8fd0f5;--c6:#a79cf0;--c7:#b9c4cf;--heat:86,180,233}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px 64px}
header{border-bottom:3px solid var(--accent);padding-bottom:20px;margin-bottom:24px}
.kind{margin:0;font-size:13px;font-weight:600;letter-spacing:.08em;text-transform:uppercase;color:var(--accent)}
h1{margin:2px 0 6px;font-size:32px;line-height:1.2;font-weight:650;overflow-wrap:anywhere}
.under{margin:0;color:var(--soft)}
h2{margin:44px 0 12px;font-size:21px;font-weight:650}
h3{margin:26px 0 8px;font-size:16px;font-weight:650}
p{margin:8px 0;max-width:76ch}
.note,.soft{color:var(--soft);font-size:13px}
.warning{margin:20px 0 0;padding:10px 14px;border-left:4px solid var(--warn);background:var(--warn-page);max-width:none}
section{margin:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(158px,1fr));gap:12px;margin:16px 0}
.tile{background:var(--sheet);border:1px solid var(--rule);border-radius:8px;padding:14px 16px}
.tile .name{display:block;font-size:13px;color:var(--soft)}
.tile .value{display:block;font-size:28px;font-weight:600;line-height:1.25}
.tile .interval{display:block;font-size:13px;color:var(--soft)}
td,.value,.interval{font-variant-numeric:tabular-nums lining-nums}
.plots{display:grid;
grid-template-columns:repeat(auto-fill,minmax(min(100%,420px),1fr));align-items:start;gap:16px;margin:16px 0}
figure{margin:0;background:var(--sheet);border:1px solid var(--rule);border-radius:8px;padding:12px 14px;min-width:0;
break-inside:avoid}
figcaption{font-weight:600;margin-bottom:6px}
figure svg{display:block;width:100%;height:auto}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 16px;margin:8px 0 0;padding:0;font-size:13px}
.legend li{display:flex;align-items:center;gap:6px}
.legend svg.swatch{width:26px;height:12px;flex:none}
.grid{stroke:var(--grid);stroke-width:1}
.axis{stroke:var(--soft);stroke-width:1}
.tick{fill:var(--soft);font-size:11.5px;font-variant-numeric:tabular-nums}
.title,.label{fill:var(--ink);font-size:12.5px}
.rule{fill:var(--ink);paint-order:stroke;stroke:var(--sheet);stroke-width:4px;stroke-linejoin:round}
.even{stroke:var(--soft);stroke-width:1;stroke-dasharray:3 4}
.mark{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:2 3}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.thin{stroke-width:1.2}
.line.rest,.point.rest{stroke:var(--soft);stroke-width:1;opacity:.5}
.s0{stroke:var(--c0)}.s1{stroke:var(--c1);stroke-dasharray:7 3}.s2{stroke:var(--c2);stroke-dasharray:2 2.5}
.s3{stroke:var(--c3);stroke-dasharray:9 3 2 3}.s4{stroke:var(--c4);stroke-dasharray:4 2}
.s5{stroke:var(--c5);stroke-dasharray:12 3}.s6{stroke:var(--c6);stroke-dasharray:6 2 1 2 1 2}
.s7{stroke:var(--c7);stroke-dasharray:1 3}
.point{fill:var(--sheet);stroke-width:2}
.dot{fill:var(--c0);opacity:.45}
.bead{fill:var(--c0)}.whisker{stroke:var(--c0);stroke-width:1.5}
.count{fill:var(--c0);opacity:.16}
.bar.b0{fill:var(--c0)}.bar.b1{fill:var(--c1)}.bar.b2{fill:var(--c2)}.bar.b3{fill:var(--c3)}
.scroll{overflow-x:auto;background:var(--sheet);border:1px solid var(--rule);border-radius:8px;margin:12px 0}
table{border-collapse:collapse;width:100%;font-size:13.5px}
caption{text-align:left;padding:10px 14px 4px;font-weight:600}
th,td{padding:6px 9px;text-align:right;border-top:1px solid var(--grid);white-space:nowrap;vertical-align:top}
thead th{border-top:0;color:var(--soft);font-weight:600;font-size:12.5px;white-space:normal;vertical-align:bottom}
th:first-child,td.words,th.words{text-align:left}
tbody th{font-weight:600}
td .interval{display:block;font-size:11px;color:var(--soft)}
.inline td .interval{display:inline;font-size:12px;margin-left:10px}
.heat thead th:not(:first-child){text-align:center}
.heat td{text-align:center;background:rgba(var(--heat),calc(var(--share)*.75))}
.heat td .interval{color:inherit;opacity:.8}
.heat .hit{box-shadow:inset 0 0 0 2px var(--ink)}
.facts{display:grid;grid-template-columns:minmax(150px,max-content) 1fr;gap:4px 20px;margin:10px 0;font-size:14px}
.facts dt{color:var(--soft)}
.facts dd{margin:0;overflow-wrap:anywhere}
.mono dd{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:12.5px}
footer{margin-top:48px;padding-top:14px;border-top:1px solid var(--rule);color:var(--soft);font-size:13px}
@media (max-width:560px){.facts{grid-template-columns:1fr;gap:0}.facts dd{margin-bottom:8px}
main{padding:20px 14px 40px}}
@media print{:root{color-scheme:light;--page:#fff;--sheet:#fff;--ink:#000;--soft:#444;--rule:#bbb;--grid:#ddd;
--accent:#0b5c8a;--warn-page:#fff;--c0:#0072b2;--c1:#d55e00;--c2:#00835f;--c3:#b0518c;--c4:#b07d00;--c5:#2a9fd8;--c6:#5b4fb0;--c7:#444;
--heat:0,114,178}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{font-size:10.5pt}main{max-width:none;padding:0}h2{break-after:avoid}tr,.tile,.heat{break-inside:avoid}
.scroll{overflow:visible}table{font-size:8.5pt}th,td{padding:3px 5px}.plots{grid-template-columns:1fr 1fr}}
"""
