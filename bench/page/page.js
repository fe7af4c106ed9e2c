// Draws the plots of the page with Chart.js, which is in the page before this.

/** @typedef {import('../figures.mjs').Plot} Plot */

;(() => {
  const {Chart} = /** @type {typeof import('chart.js')} */ (/** @type {unknown} */ (globalThis))
  const data = document.getElementById('data')?.textContent ?? '[]'
  const plots = /** @type {Plot[]} */ (JSON.parse(data))
  // Told apart also by those who see few colours.
  const COLOURS = ['#0072b2', '#56b4e9', '#d55e00', '#009e73', '#cc79a7']
  const SHAPES = /** @type {const} */ (['circle', 'rectRot', 'triangle', 'rect', 'star'])
  const colour = (/** @type {string} */ name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim()

  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily
  Chart.defaults.animation = false
  Chart.defaults.color = colour('--ink')
  Chart.defaults.borderColor = colour('--line')

  const number = (/** @type {number} */ value) =>
    value.toLocaleString('en', {maximumSignificantDigits: 3})

  /** @param {Plot} plot */
  const labels = ({series}) => [...new Set(series.flatMap(({points}) => points.map(([x]) => x)))]

  plots.forEach((plot, at) => {
    const canvas = document.querySelectorAll('canvas')[at]
    if (!canvas) return
    const marks = labels(plot)
    new Chart(canvas, {
      type: 'line',
      data: {
        labels: plot.logarithmicX ? undefined : marks,
        datasets: plot.series.map(({name, points}, index) => ({
          label: name,
          data: plot.logarithmicX
            ? points.map(([x, y]) => ({x: Number(x), y}))
            : /** @type {any} */ (points.map(([, y]) => y)),
          borderColor: COLOURS[index % COLOURS.length],
          backgroundColor: COLOURS[index % COLOURS.length],
          pointStyle: SHAPES[index % SHAPES.length],
          pointRadius: 4,
          borderWidth: name.startsWith('primary-lease') ? 3 : 1.5,
        })),
      },
      options: {
        maintainAspectRatio: false,
        interaction: {mode: 'nearest', axis: 'x', intersect: false},
        scales: {
          x: {
            type: plot.logarithmicX ? 'logarithmic' : 'category',
            title: {display: Boolean(plot.x), text: plot.x},
            ...(plot.logarithmicX && {
              afterBuildTicks: (axis) => {
                axis.ticks = marks.map((value) => ({value: Number(value)}))
              },
              ticks: {callback: (value) => Number(value).toLocaleString('en')},
            }),
          },
          y: {
            type: 'logarithmic',
            title: {display: true, text: plot.y},
            ticks: {callback: (value) => number(Number(value)), maxTicksLimit: 8},
          },
        },
        plugins: {
          legend: {position: 'bottom', labels: {usePointStyle: true}},
          tooltip: {
            mode: 'index',
            callbacks: {
              title: ([item]) => `${item?.label ?? ''} ${plot.x}`,
              label: ({dataset, parsed}) =>
                `${dataset.label}: ${number(Number(parsed.y))} ${plot.y}`,
            },
          },
        },
      },
    })
  })
})()
