// One player for all figures of the page. Figures are Plotly's own; this only reads their axes.

const STEPS = [1, 0.5, 0.75]          // playing speeds, in the order the button walks through them
const LEAD = 0.08                     // seconds heard before the moment that was clicked
const CLICK_PIXELS = 5                // a pointer that moved further was a drag: a zoom
const READABLE = 10                   // pixels of a row that can carry its own label
const SCAN_MS = 300                   // how often new figures are looked for
const FOLLOWED = ["map", "spectrogram", "frames", "tokens"] // kinds of figures that are described and heard
const players = new WeakMap()

const seconds = (value) => `${value.toFixed(2)} s`
const clamp = (value, low, high) => Math.min(high, Math.max(low, value))

// Change one attribute of a figure that Streamlit drew. Streamlit keeps Plotly to itself, but every
// figure carries its mode bar, whose buttons set a layout attribute to a value when called.
function relayout(figure, attribute, value) {
  const buttons = figure._fullLayout?._modeBar?.buttons?.flat() ?? []
  const setter = buttons.find((button) => button.attr === "dragmode")
  if (!setter) return
  const answers = { "data-attr": attribute, "data-val": value }
  setter.click(figure, { currentTarget: { getAttribute: (name) => answers[name], setAttribute() {} } })
}

function box(figure) {
  const { xaxis, yaxis } = figure._fullLayout
  return { left: xaxis._offset, top: yaxis._offset, width: xaxis._length, height: yaxis._length }
}

// Where in the recording (or in the text, across), and on which row, a pointer is; null outside map,
// labels and what stands beside the map.
function place(figure, event) {
  const frame = figure.getBoundingClientRect()
  const { xaxis, yaxis, xaxis2, meta } = figure._fullLayout
  const { left, top, width, height } = box(figure)
  const x = event.clientX - frame.left - left
  const y = event.clientY - frame.top - top
  const beside = x > width
  const right = beside && meta?.global ? xaxis2._offset + xaxis2._length - left : width
  if (y < 0 || y > height || x > right || x < -left) return null
  const down = yaxis.p2d(y)
  return { time: xaxis.p2d(clamp(x, 0, width)), down, row: Math.round(down), onLabels: x < 0, beside }
}

// Whether a figure lies over the recording's time. One that is being replaced has no layout any more.
const isTimed = (figure) => (figure._fullLayout?.meta?.kind ?? "tokens") !== "tokens"

const heatOf = (figure) => figure._fullData?.find((trace) => trace.type === "heatmap")
const drawnRow = (heat, at) => clamp(Math.floor((at.down - heat.y0) / heat.dy + 0.5), 0, heat.z.length - 1)

function weightWords(figure, at) {
  const heat = heatOf(figure)
  if (!heat?.z?.length) return "weight 0"
  const { top, clipped } = figure._fullLayout.meta
  const cells = heat.z[drawnRow(heat, at)]
  const level = cells[clamp(Math.floor((at.time - heat.x0) / heat.dx + 0.5), 0, cells.length - 1)]
  const weight = ((level / 255) * top).toPrecision(2)
  return `weight ${clipped && level === 255 ? "at least " : ""}${weight}`
}

function globalWords(figure, at) {
  const { meta } = figure._fullLayout
  if (!meta.global) return []
  return [`global token ${(100 * meta.global[drawnRow(heatOf(figure), at)]).toFixed(0)} %`]
}

function describe(figure, at) {
  const meta = figure._fullLayout.meta ?? {}
  if (meta.kind === "spectrogram") {
    return [`${meta.hz[clamp(at.row, 0, meta.hz.length - 1)]} Hz`, seconds(at.time)]
  }
  const beside = globalWords(figure, at)
  const weight = weightWords(figure, at)
  if (meta.kind === "frames") {
    const name = `frame at ${seconds(at.down)}`
    return at.onLabels || at.beside ? [name, ...beside] : [name, `looks at ${seconds(at.time)}`, weight, ...beside]
  }
  const row = clamp(at.row, 0, meta.tokens.length - 1)
  const name = `token ${row + 1} of ${meta.tokens.length}`
  if (at.onLabels) return [meta.tokens[row], name, `listens most at ${seconds(meta.peaks[row])}`]
  if (at.beside) return [meta.tokens[row], name, ...beside]
  const where = meta.kind === "tokens" ? `looks back at ${meta.columns[columnOf(meta, at)]}` : seconds(at.time)
  return [meta.tokens[row], name, where, weight, ...beside]
}

const columnOf = (meta, at) => clamp(Math.round(at.time), 0, meta.columns.length - 1)

// Plotly reads a part of HTML in every text.
const asText = (label) => label.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")

// Rows that were too low for labels of their own get them once a zoom makes them high enough.
function relabel(figure) {
  const { meta, yaxis } = figure._fullLayout
  if (meta?.kind !== "map") return
  figure.attnLabels ??= yaxis.ticktext
  const pixels = yaxis._length / Math.abs(yaxis.range[0] - yaxis.range[1])
  const readable = Math.max(READABLE, 0.9 * yaxis.tickfont.size) // letters on a stage are larger
  const wanted = pixels >= readable ? meta.tokens.map(asText) : figure.attnLabels
  if (wanted.some((label, row) => label !== yaxis.ticktext[row])) relayout(figure, "yaxis.ticktext", wanted)
}

function line(figure, name) {
  let element = figure.querySelector(`:scope > .${name}`)
  if (!element) {
    element = document.createElement("div")
    element.className = name
    figure.style.position = "relative"
    figure.append(element)
  }
  return element
}

function draw(figure, name, time) {
  const element = line(figure, name)
  const { xaxis } = figure._fullLayout
  const { left, top, width, height } = box(figure)
  const x = time === null ? -1 : xaxis.d2p(time)
  element.style.display = x < 0 || x > width ? "none" : "block"
  element.style.top = `${top}px`
  element.style.height = `${height}px`
  element.style.transform = `translateX(${left + x - 1}px)`
}

class Player {
  constructor(root) {
    this.root = root
    this.find = (name) => root.querySelector(`.attn-${name}`)
    this.followed = new Map()          // figure -> what undoes following it
    this.range = null                  // shared zoom in seconds; null: the whole recording
    this.time = 0                      // position on show
    this.until = null                  // pause here: end of the word that was asked for
    this.pending = null                // position asked for before the audio element was there
    this.stopped = new AbortController()
    this.listen()
    this.hideOverlays()
    this.timer = setInterval(() => this.scan(), SCAN_MS)
  }

  update(data) {
    const changed = this.data?.digest !== data.digest
    this.data = data
    this.find("seek").max = data.seconds
    if (changed) {
      this.audio?.pause()
      this.range = null
      this.until = null
      this.show(0)
    }
    this.scan()
  }

  close() {
    clearInterval(this.timer)
    cancelAnimationFrame(this.request)
    this.stopped.abort()
    for (const undo of this.followed.values()) undo()
  }

  listen() {
    const options = { signal: this.stopped.signal }
    this.find("play").addEventListener("click", () => this.toggle(), options)
    this.find("seek").addEventListener("input", (event) => this.seek(Number(event.target.value)), options)
    this.find("speed").addEventListener("click", () => this.changeSpeed(), options)
    this.find("whole").addEventListener("click", () => this.zoom(null), options)
    this.find("blink").addEventListener("click", () => this.blink(), options)
    for (const button of this.root.querySelectorAll("[data-overlay]")) {
      button.addEventListener("click", () => this.overlay(button), options)
    }
    document.addEventListener("keydown", (event) => this.key(event), options)
    document.addEventListener("click", (event) => this.word(event), options)
  }

  // --- sound -------------------------------------------------------------------------------------

  attachAudio() {
    const audio = document.querySelector(`.st-key-${this.data.audio} audio`)
    if (!audio || audio === this.audio) return
    this.audio = audio
    const options = { signal: this.stopped.signal }
    audio.preload = "auto"
    audio.addEventListener("play", () => this.run(), options)
    for (const name of ["pause", "ended"]) audio.addEventListener(name, () => this.rest(), options)
    audio.addEventListener("seeked", () => this.show(audio.currentTime), options)
    if (this.pending !== null) this.play(this.pending, this.until)
  }

  toggle() {
    this.until = null
    if (!this.audio) return
    if (this.audio.paused) this.audio.play()
    else this.audio.pause()
  }

  seek(time) {
    this.until = null
    if (this.audio) this.audio.currentTime = time
    this.show(time)
  }

  // Hear the recording from a moment on, up to another if one is given.
  play(time, until = null) {
    this.pending = this.audio ? null : time
    this.until = until
    this.show(time)
    if (!this.audio) return
    this.audio.currentTime = clamp(time - LEAD, 0, this.data.seconds)
    this.audio.play()
  }

  changeSpeed() {
    if (!this.audio) return
    const next = STEPS[(STEPS.indexOf(this.audio.playbackRate) + 1) % STEPS.length]
    this.audio.playbackRate = next
    this.find("speed").textContent = `${next}×`
  }

  run() {
    this.find("play").classList.add("attn-playing")
    this.find("play").setAttribute("aria-label", "Pause")
    cancelAnimationFrame(this.request)
    const step = () => {
      if (this.audio.paused) return
      if (this.until !== null && this.audio.currentTime >= this.until) this.audio.pause()
      this.show(this.audio.currentTime)
      this.request = requestAnimationFrame(step)
    }
    step()
  }

  rest() {
    this.find("play").classList.remove("attn-playing")
    this.find("play").setAttribute("aria-label", "Play")
    this.until = null
  }

  // --- what moves --------------------------------------------------------------------------------

  show(time) {
    this.time = time
    this.find("seek").value = time
    const total = this.data?.seconds ?? 0
    this.find("clock").textContent = `${time.toFixed(2)} / ${total.toFixed(2)} s`
    for (const figure of this.followed.keys()) this.drawCursor(figure)
    for (const word of this.words ?? []) {
      word.classList.toggle("now", time > Math.max(0, word.dataset.from) && time < word.dataset.to)
    }
  }

  // At the very start nothing has been heard, and a line on the axis would only look like a border.
  drawCursor(figure) {
    if (isTimed(figure)) draw(figure, "attn-cursor", this.time > 0 ? this.time : null)
  }

  point(figure, event) {
    const at = event && place(figure, event)
    const time = at && !at.onLabels && !at.beside && isTimed(figure) ? at.time : null
    for (const other of this.followed.keys()) if (isTimed(other)) draw(other, "attn-ghost", time)
    const tip = this.find("tip")
    tip.hidden = !at
    if (!at) return
    const [head, ...rest] = describe(figure, at)
    tip.replaceChildren(Object.assign(document.createElement("b"), { textContent: head }), ` ${rest.join(" · ")}`)
    const x = clamp(event.clientX + 14, 4, window.innerWidth - tip.offsetWidth - 4)
    const y = event.clientY - tip.offsetHeight - 12
    tip.style.transform = `translate(${x}px, ${y < 4 ? event.clientY + 18 : y}px)`
  }

  // --- figures -----------------------------------------------------------------------------------

  scan() {
    if (!this.root.isConnected) return this.close()
    if (!this.data) return
    this.attachAudio()
    this.adoptTheme()
    const container = document.querySelector(`.st-key-${this.data.container}`)
    this.words = [...(container?.querySelectorAll("[data-from]") ?? [])]
    this.find("blink").hidden = !container?.querySelector(".st-key-blink_stage")
    const drawn = [...(container?.querySelectorAll(".js-plotly-plot") ?? [])]
    const figures = drawn.filter((figure) => FOLLOWED.includes(figure._fullLayout?.meta?.kind))
    for (const [figure, undo] of this.followed) {
      if (figures.includes(figure)) continue
      undo()
      this.followed.delete(figure)
    }
    for (const figure of figures) {
      if (!this.followed.has(figure) && figure._fullLayout?.xaxis?._length && figure.on) this.follow(figure)
      else if (this.followed.has(figure)) this.drawCursor(figure)
    }
  }

  // The figures lie outside the component's element, where Streamlit's colours are not defined.
  adoptTheme() {
    const style = getComputedStyle(this.root)
    const colours = { "--attn-cursor": "--st-text-color", "--attn-page": "--st-background-color" }
    for (const [name, source] of Object.entries(colours)) {
      const value = style.getPropertyValue(source)
      const page = document.documentElement.style
      if (page.getPropertyValue(name) !== value) page.setProperty(name, value)
    }
  }

  follow(figure) {
    const undone = new AbortController()
    const options = { signal: undone.signal, capture: true }
    let pressed = null
    figure.addEventListener("pointermove", (event) => this.point(figure, event), options)
    figure.addEventListener("pointerleave", () => this.point(figure, null), options)
    figure.addEventListener("pointerdown", (event) => { pressed = event.button === 0 ? event : null }, options)
    window.addEventListener("pointerup", (event) => {
      const start = pressed
      pressed = null
      if (!start || event.target.closest?.(".modebar")) return
      if (Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > CLICK_PIXELS) return
      this.hear(figure, start)
    }, options)
    const zoomed = () => {
      relabel(figure)
      if (isTimed(figure)) this.zoom(figure._fullLayout.xaxis.range.slice(), figure)
    }
    figure.on("plotly_relayout", zoomed)
    const undo = () => {
      undone.abort()
      figure.removeListener?.("plotly_relayout", zoomed)
    }
    this.followed.set(figure, undo)
    figure.dataset.followed = "true"
    if (this.range && isTimed(figure)) relayout(figure, "xaxis.range", this.range)
    this.drawCursor(figure)
  }

  hear(figure, event) {
    const at = place(figure, event)
    if (!at) return
    const meta = figure._fullLayout.meta ?? {}
    const onRow = at.onLabels || at.beside
    if (onRow && meta.kind === "spectrogram") return
    if (meta.kind === "frames") return this.play(onRow ? at.down : at.time)
    if (!onRow && meta.kind !== "tokens") return this.play(at.time)
    const row = onRow ? at.row : columnOf(meta, at) - 1 // the first column is the start: no token
    if (row < 0) return
    const peak = meta.peaks[clamp(row, 0, meta.peaks.length - 1)]
    this.play(Math.max(0, peak - 0.2), peak + 0.3)
  }

  zoom(range, source = null) {
    const whole = [0, this.data.seconds]
    const wanted = range ?? whole
    const full = wanted[0] <= whole[0] + 1e-3 && wanted[1] >= whole[1] - 1e-3
    this.range = full ? null : wanted
    this.find("whole").disabled = full
    for (const figure of this.followed.keys()) {
      if (figure === source || !isTimed(figure)) continue
      const [low, high] = figure._fullLayout.xaxis.range
      if (Math.abs(low - wanted[0]) + Math.abs(high - wanted[1]) < 1e-6) continue
      relayout(figure, "xaxis.range", wanted.slice())
    }
    requestAnimationFrame(() => this.show(this.time))
  }

  // --- controls ----------------------------------------------------------------------------------

  overlay(button) {
    const on = button.getAttribute("aria-pressed") !== "true"
    button.setAttribute("aria-pressed", String(on))
    this.hideOverlays()
  }

  // Two maps lie in one place; the style sheet shows the one whose turn it is.
  blink() {
    const other = document.documentElement.dataset.attnBlink === "1" ? "0" : "1"
    document.documentElement.dataset.attnBlink = other
    this.find("blink").setAttribute("aria-pressed", String(other === "1"))
  }

  hideOverlays() {
    const hidden = [...this.root.querySelectorAll("[data-overlay][aria-pressed=false]")]
    document.documentElement.dataset.attnHide = hidden.map((each) => each.dataset.overlay).join(" ")
  }

  word(event) {
    const word = event.target.closest?.("[data-from]")
    if (!word) return
    this.play(Number(word.dataset.from), Number(word.dataset.to) + 0.15)
  }

  key(event) {
    const typing = event.target.closest?.("input, textarea, select, [contenteditable], [role=slider], [role=option], [role=combobox]")
    if (typing && !event.target.classList.contains("attn-seek")) return
    if (event.key === "b" && !event.ctrlKey && !event.metaKey && !this.find("blink").hidden) this.blink()
    if (event.key === " " && !event.target.closest?.("button")) { // a button has its own use for it
      event.preventDefault()
      this.toggle()
    }
  }
}

export default function mount({ parentElement, data }) {
  const root = parentElement.querySelector(".attn-player")
  if (!players.has(root)) players.set(root, new Player(root))
  const current = players.get(root)
  current.update(data)
  return () => {
    if (root.isConnected) return
    current.close()
    players.delete(root)
  }
}
