"""How the page of a report looks: light and dark, on a screen and on paper."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --text: #1c2024; --quiet: #60646c; --ground: #fff; --raised: #f5f6f8; --line: #d9dce1;
  --good: #18794e; --bad: #b42318; --link: #0b57d0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e8eb; --quiet: #a0a6ae; --ground: #16181b; --raised: #1f2226; --line: #373b41;
    --good: #5ec998; --bad: #ff8b7d; --link: #8ab4f8;
  }
}
body {
  margin: 0 auto; padding: 1.5rem; max-width: 70rem;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground);
}
h1 { font-size: 1.6rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
h3 { font-size: 1.05rem; }
h4, section.failure > h3 { font-size: 0.9rem; margin: 1rem 0 0.25rem; color: var(--quiet); }
a { color: var(--link); }
code, pre, .said td { font: 0.875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; background: var(--ground); padding: 0.75rem; margin: 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; }
tr { border-bottom: 1px solid var(--line); }
tbody th { font-weight: inherit; white-space: nowrap; }
.verdict { font-weight: 600; }
.verdict.passed, tr.passed td:nth-child(2) { color: var(--good); }
.verdict.failed, tr.failed td:nth-child(2), article h3 { color: var(--bad); }
tr.failed td:nth-child(2) { font-weight: 600; }
tr.declared, tr.idle { color: var(--quiet); }
.failure {
  background: var(--raised); border-left: 4px solid var(--bad); padding: 0.25rem 1rem 1rem;
  margin: 1rem 0;
}
dl { display: grid; grid-template-columns: 7rem 1fr; gap: 0.25rem 1rem; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.change { font-weight: 600; }
.said th { color: var(--quiet); width: 6rem; font-weight: 400; }
.filter { border: 0; padding: 0; margin: 0 0 0.5rem; } .filter legend { float: left; }
.filter label { margin-left: 1rem; }
body:has(#show-failed:checked) tbody tr:is(.passed, .declared),
body:has(#show-declared:checked) tbody tr:is(.passed, .failed, .idle),
body:has(#show-passed:checked) tbody tr:is(.failed, .declared, .idle) { display: none; }
@media print {
  body { max-width: none; padding: 0; } .filter { display: none; }
  .failure, tr { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
}
"""
