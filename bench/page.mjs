// The figures as one page that needs nothing else: no network, no font, no other file. Chart.js, which draws
// the plots, is in it.

import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {root} from '../support/run.mjs'
import {number, range, shown} from './figures.mjs'
import {commandOf, verdict} from './table.mjs'

const HERE = join(root, 'bench/page')
/** The package does not export this file of its own by name. */
const LIBRARY = join(root, 'bench/node_modules/chart.js/dist/chart.umd.min.js')

/** @typedef {import('./figures.mjs').Measure} Measure */

/** @param {import('./table.mjs').Report} report */
export function page({facts, results}) {
  const library = readFileSync(LIBRARY, 'utf8')
  const part = (/** @type {string} */ name) => readFileSync(join(HERE, name), 'utf8')
  const plots = results.flatMap(({outcome}) => outcome?.plots ?? [])
  // Nothing in the data can end the script that it stands in.
  const data = JSON.stringify(plots).replaceAll('<', '\\u003c')
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>primary-lease: figures</title>
<link rel="icon" href="data:,">
<style>
${part('page.css')}</style>
</head>
<body>
<h1>primary-lease: figures</h1>
<ul class="facts">
${facts.map((fact) => `<li>${escaped(fact)}</li>`).join('\n')}
</ul>
<main id="plots">
${plots
  .map(
    ({title, note}) => `<figure>
<figcaption>${escaped(title)}${note ? ` <small>${escaped(note)}</small>` : ''}</figcaption>
<div><canvas role="img" aria-label="${escaped(title)}"></canvas></div>
</figure>`,
  )
  .join('\n')}
</main>
<table>
<thead><tr><th></th><th>primary-lease</th><th>peers</th><th>ratio</th><th>goal</th><th>reached</th></tr></thead>
${results.map(section).join('\n')}
</table>
<script id="data" type="application/json">${data}</script>
<script>
${library.replaceAll('</script', '<\\/script')}</script>
<script>
${part('page.js')}</script>
</body>
</html>
`
}

/** @param {import('./table.mjs').Result} result */
function section({name, title, outcome, failed}) {
  const head = `<tr class="row"><th colspan="6">${escaped(title)} <code>${escaped(commandOf(name))}</code></th></tr>`
  const rows = failed
    ? `<tr><td colspan="6" class="no">failed: ${escaped(failed)}</td></tr>`
    : (outcome?.measures ?? []).map(measured).join('\n')
  return `<tbody>
${head}
${rows}
</tbody>`
}

/** @param {Measure} measure */
function measured(measure) {
  const {what, unit, digits, ours, peers, ratio, ratioTo, goal, note} = measure
  const figure = (/** @type {Measure['ours']} */ figure) => {
    const text = `${shown(figure, digits)}${typeof figure === 'string' || !unit ? '' : ` ${unit}`}`
    const several = typeof figure === 'object' && figure.of > 1
    const between = several ? ` <small>${range(figure, digits)}</small>` : ''
    return `${escaped(text)}${between}`
  }
  const others = peers.map(({name, figure: of}) => `<div>${escaped(name)}: ${figure(of)}</div>`)
  const ratios = ratio
    ? `${number(ratio.median, 2)} <small>${ratio.of > 1 ? `${range(ratio, 2)}, ` : ''}to ${escaped(String(ratioTo))}</small>`
    : ''
  const reached = verdict(measure)
  return `<tr>
<td>${escaped(what)}${note ? ` <small>${escaped(note)}</small>` : ''}</td>
<td>${figure(ours)}</td>
<td>${others.join('')}</td>
<td>${ratios}</td>
<td>${escaped(goal?.text ?? '')}</td>
<td class="${reached}">${reached}</td>
</tr>`
}

/** @param {string} text */
const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
