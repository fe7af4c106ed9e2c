// Runs in the page: draws the part of the picture that is looked at, and lets it be moved.

;(() => {
  /** @type {import('../picture.mjs').Picture} */
  const picture = JSON.parse(String(document.getElementById('picture')?.textContent))
  const chart = /** @type {HTMLElement} */ (document.getElementById('chart'))
  const overview = /** @type {HTMLElement} */ (document.getElementById('overview'))
  const strips = /** @type {HTMLElement} */ (document.getElementById('strips'))
  const details = /** @type {HTMLElement} */ (document.getElementById('details'))

  const LEFT = 64
  const RIGHT = 14
  const TOP = 30
  const LANE = 66
  const SHORTEST = 20
  /** How much a printed strip shows, in ms. */
  const STRIP = 40_000
  const STRIP_WIDTH = 1180
  /** Okabe and Ito's colours, which the colour-blind can tell apart; a pattern for each besides. */
  const COLOURS = ['#56b4e9', '#e69f00', '#009e73', '#f0e442', '#cc79a7', '#0072b2', '#d55e00']
  const PATTERNS = [
    '',
    '<path d="M0 8L8 0M-2 2L2 -2M6 10L10 6" stroke="#000" stroke-opacity=".38" stroke-width="1.4"/>',
    '<circle cx="4" cy="4" r="1.4" fill="#000" fill-opacity=".45"/>',
    '<path d="M0 4H8" stroke="#000" stroke-opacity=".38" stroke-width="1.3"/>',
    '<path d="M0 0L8 8M-2 6L2 10M6 -2L10 2" stroke="#000" stroke-opacity=".38" stroke-width="1.4"/>',
    '<path d="M4 0V8" stroke="#fff" stroke-opacity=".6" stroke-width="1.6"/>',
    '<path d="M0 4H8M4 0V8" stroke="#000" stroke-opacity=".3" stroke-width="1"/>',
  ]

  const all = {from: 0, to: Math.max(picture.lasted, 1)}
  let view = {...all}
  const broken = picture.promises.flatMap(({broken}) => broken)

  /** @param {unknown} text */
  const escaped = (text) =>
    String(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
  const round = (/** @type {number} */ value) => Math.round(value * 10) / 10
  const seconds = (/** @type {number} */ ms, digits = 1) => `${(ms / 1000).toFixed(digits)} s`

  /**
   * The chart of one stretch of time.
   *
   * @param {{from: number, to: number}} span
   * @param {number} width
   * @param {string} id unique among the charts of the page: the patterns' names
   */
  function drawn(span, width, id) {
    const scale = (width - LEFT - RIGHT) / (span.to - span.from)
    const x = (/** @type {number} */ at) => LEFT + (at - span.from) * scale
    const within = (/** @type {number} */ at) =>
      round(Math.min(Math.max(x(at), LEFT), width - RIGHT))
    const seen = (/** @type {{from: number, to: number}} */ part) =>
      part.to >= span.from && part.from <= span.to
    const height = TOP + picture.lanes.length * LANE + 26
    const y = (/** @type {string} */ lane) => TOP + picture.lanes.indexOf(lane) * LANE
    const bottom = height - 26
    /** @type {string[]} */
    const out = []
    const hover = (/** @type {string} */ text) => `data-text="${escaped(text)}"`

    for (const [index, lane] of picture.lanes.entries()) {
      if (index % 2 === 0) {
        out.push(`<rect class="band" x="0" y="${y(lane)}" width="${width}" height="${LANE}"/>`)
      }
    }
    const step = niceStep((span.to - span.from) / (width / 110))
    for (let at = Math.ceil(span.from / step) * step; at <= span.to; at += step) {
      out.push(
        `<line class="grid" x1="${round(x(at))}" x2="${round(x(at))}" y1="${TOP}" y2="${bottom}"/>`,
      )
      const digits = step < 10 ? 3 : step < 100 ? 2 : step < 1000 ? 1 : 0
      out.push(
        `<text class="axis" text-anchor="middle" x="${round(x(at))}" y="${bottom + 16}">${seconds(at, digits)}</text>`,
      )
    }
    let free = LEFT
    for (const gap of picture.handOvers.filter(seen)) {
      const [from, to] = [within(gap.from), within(gap.to)]
      const w = Math.max(to - from, 0.8)
      out.push(
        `<g class="gap" ${hover(gap.text)}><rect class="vacant" x="${from}" y="${TOP}" width="${round(w)}" height="${bottom - TOP}"/>`,
      )
      out.push(
        `<line class="vacant-line" x1="${from}" x2="${round(from + w)}" y1="${TOP - 3}" y2="${TOP - 3}"/></g>`,
      )
      const middle = (from + to) / 2
      const half = gap.label.length * 3.3 + 4
      if (middle - half < free || middle + half > width) continue
      out.push(
        `<text class="handover" text-anchor="middle" x="${round(middle)}" y="${TOP - 9}">${gap.label}</text>`,
      )
      free = middle + half
    }
    for (const bar of picture.bars.filter(seen)) out.push(drawnBar(bar))
    /** @type {Record<string, number>} */
    const used = {}
    for (const mark of picture.marks.filter(seen)) out.push(drawnMark(mark))
    for (const {at} of broken.filter(({at}) => at >= span.from && at <= span.to)) {
      out.push(
        `<line class="violation" x1="${round(x(at))}" x2="${round(x(at))}" y1="${TOP}" y2="${bottom}"/>`,
      )
    }
    for (const lane of picture.lanes) {
      out.push(`<text class="lane" x="12" y="${y(lane) + 42}">${escaped(lane)}</text>`)
    }
    const label = `Who was primary from ${seconds(span.from)} to ${seconds(span.to)}`
    return `<svg role="img" aria-label="${label}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><defs>${patterns(id)}</defs>${out.join('')}</svg>`

    /** @param {import('../picture.mjs').Bar} bar */
    function drawnBar(bar) {
      const [from, to] = [within(bar.from), within(bar.to)]
      const w = round(Math.max(to - from, 1))
      const top = y(bar.lane)
      if (bar.kind === 'up') {
        return `<g ${hover(bar.text)}><line class="up" x1="${from}" x2="${to}" y1="${top + 37}" y2="${top + 37}"/><rect class="up-hit" x="${from}" y="${top + 31}" width="${w}" height="12"/></g>`
      }
      if (bar.kind === 'term') {
        const style = Number(bar.number) % COLOURS.length
        const label =
          w > bar.label.length * 7 + 4
            ? `<text class="label" x="${from + 5}" y="${top + 41}">${escaped(bar.label)}</text>`
            : ''
        return `<g class="interval" data-server="${escaped(bar.lane)}" ${hover(bar.text)}><rect class="term" x="${from}" y="${top + 25}" width="${w}" height="24" rx="${Math.min(4, w / 2)}" fill="${COLOURS[style]}"/><rect x="${from}" y="${top + 25}" width="${w}" height="24" rx="${Math.min(4, w / 2)}" fill="url(#${id}-${style})"/>${label}</g>`
      }
      const shape =
        bar.kind === 'frozen'
          ? `<rect class="frozen" style="fill:url(#${id}-frozen)" x="${from}" y="${top + 31}" width="${w}" height="12"/>`
          : `<rect class="blocked" x="${from}" y="${top + 22}" width="${w}" height="30" rx="5" fill="none" pointer-events="stroke"/>`
      const label =
        w > bar.label.length * 7 + 50
          ? `<text class="label" x="${from + w - 6}" y="${top + 41}" text-anchor="end">${escaped(bar.label)}</text>`
          : ''
      return `<g class="${bar.kind}-bar" ${hover(bar.text)}>${shape}${label}</g>`
    }

    /** @param {import('../picture.mjs').Mark} mark */
    function drawnMark(mark) {
      const top = y(mark.lane)
      const from = within(mark.from)
      const to = within(mark.to)
      const at = Math.max(from, LEFT + 1)
      const lasts =
        to - from > 1
          ? `<rect class="${mark.harm ? 'harm' : 'mild'}" x="${from}" y="${top + 54}" width="${round(to - from)}" height="5" rx="2"/>`
          : ''
      const end = used[mark.lane] ?? 0
      // Where marks would lie on each other the words give way first, then the circle.
      const crowded = at < end + 8
      const room = at + 12 + mark.label.length * 6
      const next = picture.marks.find(
        (other) => other.lane === mark.lane && other.from > mark.from && x(other.from) - 9 < room,
      )
      used[mark.lane] = next ? at : room
      const symbol = crowded
        ? `<line class="vacant-line" style="stroke:var(--mild)" x1="${at}" x2="${at}" y1="${top + 9}" y2="${top + 20}"/>`
        : `<circle cx="${at}" cy="${top + 12}" r="8"/><text x="${at}" y="${top + 16}">${escaped(mark.symbol)}</text>`
      const label =
        next || crowded || room > width
          ? ''
          : `<text class="fault" style="text-anchor:start;font-weight:400" x="${at + 11}" y="${top + 16}">${escaped(mark.label)}</text>`
      return `<g class="mark${mark.harm ? ' harmful' : ''}" ${hover(`${seconds(mark.from, 2)}  ${mark.lane}\n${mark.text}`)}>${lasts}${symbol}${label}</g>`
    }
  }

  /** @param {string} id */
  function patterns(id) {
    const tile = (/** @type {string} */ name, /** @type {string} */ inner) =>
      `<pattern id="${id}-${name}" width="8" height="8" patternUnits="userSpaceOnUse">${inner}</pattern>`
    const ice =
      '<rect width="8" height="8" fill="var(--card)"/><path d="M0 8L8 0M0 0L8 8" stroke="var(--ink)" stroke-width=".8"/>'
    return PATTERNS.map((inner, index) => tile(String(index), inner)).join('') + tile('frozen', ice)
  }

  /** @param {number} least */
  function niceStep(least) {
    const power = 10 ** Math.floor(Math.log10(least))
    return ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10) * power
  }

  function drawnOverview() {
    const width = overview.clientWidth
    const scale = (width - LEFT - RIGHT) / (all.to - all.from)
    const x = (/** @type {number} */ at) => round(LEFT + at * scale)
    const row = 5
    const height = picture.lanes.length * row + 12
    const terms = picture.bars
      .filter(({kind}) => kind === 'term')
      .map(({lane, from, to, number}) => {
        const y = 6 + picture.lanes.indexOf(lane) * row
        const colour = COLOURS[Number(number) % COLOURS.length]
        return `<rect x="${x(from)}" y="${y}" width="${Math.max(x(to) - x(from), 0.7)}" height="${row - 1}" fill="${colour}"/>`
      })
    const harm = picture.marks
      .filter(({harm}) => harm)
      .map(({lane, from, to}) => {
        const y = 6 + picture.lanes.indexOf(lane) * row
        return `<rect class="harm" x="${x(from)}" y="${y + 1}" width="${Math.max(x(to) - x(from), 1)}" height="${row - 3}"/>`
      })
    const shown = `<rect class="window" x="${x(view.from)}" y="1" width="${Math.max(x(view.to) - x(view.from), 3)}" height="${height - 2}" rx="3"/>`
    overview.innerHTML = `<svg width="${width}" height="${height}" aria-label="The whole run"><text class="soft" x="12" y="${height / 2 + 4}">all</text>${terms.join('')}${harm.join('')}${shown}</svg>`
  }

  let drawing = false
  function render() {
    if (drawing) return
    drawing = true
    requestAnimationFrame(() => {
      drawing = false
      chart.innerHTML = drawn(view, chart.clientWidth, 'p')
      drawnOverview()
    })
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  function look(from, to) {
    const length = Math.min(Math.max(to - from, SHORTEST), all.to)
    const begin = Math.min(Math.max(from, 0), all.to - length)
    view = {from: begin, to: begin + length}
    render()
  }

  /**
   * @param {number} factor
   * @param {number} [at] the moment that stays where it is
   */
  function zoom(factor, at = (view.from + view.to) / 2) {
    const length = Math.min((view.to - view.from) * factor, all.to)
    const share = (at - view.from) / (view.to - view.from)
    look(at - share * length, at - share * length + length)
  }

  /** @param {number} share */
  const move = (share) =>
    look(view.from + share * (view.to - view.from), view.to + share * (view.to - view.from))

  /** @type {Record<string, () => void>} */
  const actions = {
    in: () => zoom(0.6),
    out: () => zoom(1 / 0.6),
    left: () => move(-0.4),
    right: () => move(0.4),
    all: () => look(all.from, all.to),
  }
  /** @type {Record<string, string>} */
  const keys = {'+': 'in', '=': 'in', '-': 'out', ArrowLeft: 'left', ArrowRight: 'right', 0: 'all'}

  /** @param {MouseEvent} event */
  const timeAt = (event) => {
    const share =
      (event.clientX - chart.getBoundingClientRect().left - LEFT) /
      (chart.clientWidth - LEFT - RIGHT)
    return view.from + share * (view.to - view.from)
  }

  document.addEventListener('click', (event) => {
    const target = /** @type {HTMLElement} */ (event.target)
    const action = target.closest('[data-do]')?.getAttribute('data-do')
    if (action) actions[action]?.()
    const at = target.closest('[data-at]')?.getAttribute('data-at')
    if (at) {
      event.preventDefault()
      look(Number(at) - 2500, Number(at) + 2500)
      chart.scrollIntoView({block: 'center'})
    }
  })
  document.addEventListener('keydown', (event) => {
    const action = keys[event.key]
    if (action && !event.ctrlKey && !event.metaKey) actions[action]?.()
  })
  chart.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault()
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / 1500)
      else zoom(Math.exp(event.deltaY / 500), timeAt(event))
    },
    {passive: false},
  )
  /** @type {{x: number, from: number, to: number} | undefined} */
  let drag
  chart.addEventListener('pointerdown', (event) => {
    drag = {x: event.clientX, ...view}
  })
  addEventListener('pointerup', () => {
    drag = undefined
  })
  addEventListener('pointermove', (event) => {
    if (!drag) return
    const shift = ((drag.x - event.clientX) / chart.clientWidth) * (drag.to - drag.from)
    look(drag.from + shift, drag.to + shift)
  })
  overview.addEventListener('click', (event) => {
    const share =
      (event.clientX - overview.getBoundingClientRect().left - LEFT) /
      (overview.clientWidth - LEFT - RIGHT)
    const length = view.to - view.from
    look(share * all.to - length / 2, share * all.to + length / 2)
  })
  chart.addEventListener('mousemove', (event) => {
    const text = /** @type {Element} */ (event.target)
      .closest('[data-text]')
      ?.getAttribute('data-text')
    details.hidden = !text
    if (!text) return
    details.textContent = text
    const {width, height} = details.getBoundingClientRect()
    details.style.left = `${Math.min(event.clientX + 14, innerWidth - width - 8)}px`
    details.style.top = `${Math.min(event.clientY + 16, innerHeight - height - 8)}px`
  })
  chart.addEventListener('mouseleave', () => {
    details.hidden = true
  })
  addEventListener('resize', render)
  // Paper cannot be zoomed: the whole run, in strips that can be read.
  addEventListener('beforeprint', () => {
    const count = Math.ceil(all.to / STRIP)
    strips.innerHTML = Array.from({length: count}, (_, index) =>
      drawn({from: index * STRIP, to: (index + 1) * STRIP}, STRIP_WIDTH, `s${index}`),
    ).join('')
  })
  // A long run begins where its marks can be read; the rest is a click away.
  if (all.to > 90_000) view = {from: 0, to: 60_000}
  render()
})()
