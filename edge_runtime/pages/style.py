"""How the page looks, by day and by night."""

__all__ = ["STYLE"]

STYLE = """
:root{--ink:#1b1f24;--paper:#fff;--line:#d8dde3;--faint:#c9d6e6;--a:#1f6feb;--b:#d1242f;
--good:#1a7f37;--dim:#57606a}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#30363d;
--faint:#27415f;--a:#58a6ff;--b:#ff7b72;--good:#3fb950;--dim:#9198a1}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:1040px;margin:2rem auto;padding:0 1rem}
h1{margin:0}h2{border-bottom:1px solid var(--line);margin-top:2.4rem}h3{margin-bottom:.3rem}
.big{font-size:2.4rem;margin:.2rem 0}
pre{background:color-mix(in srgb,var(--ink) 6%,transparent);padding:.7rem;white-space:pre-wrap}
table{border-collapse:collapse}th{text-align:left;font-weight:600}
td,th{padding:.12rem .6rem .12rem 0;vertical-align:top}
.figures td{text-align:right;font-variant-numeric:tabular-nums}
.row{display:flex;flex-wrap:wrap;gap:2rem;align-items:flex-start}
.row>div{max-width:430px}.row>div:has(>.matrix){max-width:none;width:min-content}
.tall{max-height:420px;overflow:auto;flex:none;padding-right:20px}
.matrix td{width:2.4rem;text-align:center;padding:.3rem .1rem;font-variant-numeric:tabular-nums}
.matrix th span{writing-mode:vertical-rl}
.matrix .hit{background:color-mix(in srgb,var(--good) calc(var(--share)*75%),transparent)}
.matrix .miss{background:color-mix(in srgb,var(--b) calc(var(--share)*160%),transparent)}
caption{text-align:left;color:var(--dim);padding-bottom:.3rem}
.grid{display:flex;flex-wrap:wrap;gap:.7rem}
figure{margin:0;max-width:204px;font-size:13px;overflow-wrap:anywhere;
border-top:3px solid var(--line);padding-top:.3rem}
figure.ok{border-color:var(--good)}figure.bad{border-color:var(--b)}
figure.ok,figure.bad{max-width:112px}
img{max-height:96px;margin-right:.2rem}
.none{display:inline-block;padding:1rem;border:1px dashed var(--line);color:var(--dim)}
svg{max-width:100%;height:auto}svg text{font-size:12px;fill:var(--dim)}
svg text.title{fill:var(--ink);font-weight:600;font-size:13px}
"""
