// Draws a picture as one page that needs nothing else: no network, no font, no other file.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {root} from './run.mjs'

/** @typedef {import('./picture.mjs').Picture} Picture */

/**
 * @param {Picture} picture
 * @returns {string} HTML
 */
export function draw(picture) {
  const part = (/** @type {string} */ name) =>
    readFileSync(join(root, 'support/page', name), 'utf8')
  // Nothing in the data can end the script that it stands in.
  const data = JSON.stringify(picture).replaceAll('<', '\\u003c')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(picture.title)}: ${escaped(picture.subtitle)}</title>
<link rel="icon" href="data:,">
<style>
${part('chart.css')}${part('page.css')}</style>
</head>
<body>
<header>
${header(picture)}</header>
<main>
<div class="controls" role="toolbar" aria-label="Zoom">
<button type="button" data-do="in" title="Zoom in (+)">+</button>
<button type="button" data-do="out" title="Zoom out (−)">−</button>
<button type="button" data-do="left" title="Earlier (←)">←</button>
<button type="button" data-do="right" title="Later (→)">→</button>
<button type="button" data-do="all" title="The whole run (0)">all</button>
<span class="hint">wheel: zoom · drag: move · point at anything: details</span>
</div>
<div id="chart"></div>
<div id="overview"></div>
<div id="strips"></div>
<ul class="legend">
<li><svg width="34" height="14" class="key"><rect x="1" y="1" width="32" height="12" class="key-term"/></svg> primary, with the number of its term</li>
<li><svg width="34" height="14" class="key"><line x1="1" x2="33" y1="7" y2="7" class="key-up"/></svg> process is up, not primary</li>
<li><svg width="34" height="14" class="key"><rect x="1" y="1" width="32" height="12" class="key-vacant"/></svg> nobody is primary</li>
<li><svg width="34" height="14" class="key"><rect x="1" y="5" width="32" height="4" class="key-harm"/></svg> Redis is out of reach</li>
<li><svg width="34" height="14" class="key"><rect x="1" y="5" width="32" height="4" class="key-mild"/></svg> trouble that must cost nothing</li>
${picture.legend.map(({symbol, text}) => `<li><b class="symbol">${escaped(symbol)}</b> ${escaped(text)}</li>`).join('\n')}
</ul>
</main>
<div id="details" role="status" hidden></div>
<script id="picture" type="application/json">${data}</script>
<script>
${part('chart.js')}</script>
</body>
</html>
`
}

/** @param {Picture} picture */
function header({title, subtitle, facts, promises}) {
  const broken = promises.flatMap(({broken}) => broken)
  const verdict = broken.length
    ? `${broken.length} violation${broken.length === 1 ? '' : 's'}`
    : 'No violation'
  const items = promises.map(({text, broken}) => {
    const mark = broken.length ? '✗' : '✓'
    const violations = broken
      .map(({at, text}) => `<li><a href="#" data-at="${at}">${escaped(text)}</a></li>`)
      .join('')
    const list = violations ? `<ul>${violations}</ul>` : ''
    return `<li class="${broken.length ? 'broken' : 'kept'}"><b>${mark}</b> ${escaped(text)}${list}</li>`
  })
  return `<div class="head"><h1>${escaped(title)}</h1>
<p class="verdict ${broken.length ? 'broken' : 'kept'}">${broken.length ? '✗' : '✓'} ${verdict}</p>
<p class="subtitle">${escaped(subtitle)}</p></div>
<dl class="facts">
${facts.map(({label, value}) => `<div><dd>${escaped(value)}</dd><dt>${escaped(label)}</dt></div>`).join('\n')}
</dl>
<ul class="promises">
${items.join('\n')}
</ul>
`
}

/** @param {string} text */
const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
