// Steps through the slides this page carries. Cursor, sound and zoom are the dashboard's own player's.

const FULL_FONT = 1.7                 // largest magnification of a figure's letters
const LEAST = { map: 160, other: 260 } // pixels below which figures are scrolled instead of shrunk
const find = (name) => document.querySelector(name)
const deck = find(".deck")
const panels = find(".deck-panels")
const bar = find(".st-key-player_bar")
const audioBox = find(".st-key-listen_audio")
const setting = JSON.parse(find("#attnscope-setting").textContent)
const sounds = new Map()              // digest -> audio element
let set = null
let at = -1

async function unpacked(name) {
  const letters = atob(find(`#${name}`).textContent)
  const bytes = new Uint8Array(letters.length)
  for (let n = 0; n < letters.length; n++) bytes[n] = letters.charCodeAt(n)
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))
  return new Response(stream).text()
}

// --- figures -------------------------------------------------------------------------------------

const isDark = () => document.documentElement.dataset.theme === "dark"

// A copy of a figure in the theme's colours, its letters and margins as large as the room allows.
function dressed(value, key, colours, factor) {
  if (typeof value === "string") return (isDark() && colours[value]) || value
  if (key === "colorscale") return isDark() ? setting.dark.scale : value
  if (key === "margin") return { ...value, ...scaled(value, ["l", "r", "t", "b"], factor) }
  if (Array.isArray(value)) return value.map((each) => dressed(each, "", colours, factor))
  if (!value || typeof value !== "object" || "bdata" in value || key === "meta") return value
  const copy = {}
  for (const [name, each] of Object.entries(value)) copy[name] = dressed(each, name, colours, factor)
  if (/font$/.test(key) && copy.size) copy.size = Math.round(copy.size * factor)
  return copy
}

const scaled = (value, names, factor) =>
  Object.fromEntries(names.filter((name) => value[name]).map((name) => [name, Math.round(value[name] * factor)]))

// Every token where its row is high enough for letters that can be read from afar, else whole words.
function named(layout, pixels) {
  const { yaxis, meta } = layout
  const wanted = yaxis.tickfont.size
  if (pixels >= 0.8 * wanted) {
    yaxis.tickfont.size = Math.round(Math.min(wanted, pixels))
    yaxis.ticktext = meta.tokens.map(asText)
  } else {
    yaxis.ticktext = spaced(meta.words ?? yaxis.ticktext, (row) => row * pixels, wanted + 1)
  }
}

const asText = (label) => label.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;")

// Labels that would touch the one before are left out.
function spaced(labels, placeOf, room) {
  let last = -Infinity
  return labels.map((label, number) => {
    if (!label || Math.abs(placeOf(number) - last) < room) return ""
    last = placeOf(number)
    return label
  })
}

function fitRows(layout, kind) {
  const { yaxis, margin, height } = layout
  const pixels = (height - margin.t - margin.b) / Math.max(1, Math.abs(yaxis.range[1] - yaxis.range[0]))
  if (kind === "map") named(layout, pixels)
  else yaxis.ticktext = spaced(yaxis.ticktext, (number) => yaxis.tickvals[number] * pixels, yaxis.tickfont.size + 1)
}

// Among many maps the unit stands at the numbers, so that its line is there for the map.
function lowAxis(layout, factor) {
  layout.xaxis.title = { text: "" }
  layout.xaxis.ticksuffix = " s"
  layout.margin.b = Math.round(26 * factor)
}

function plot(place, figure, factor) {
  const kind = figure.layout.meta?.kind
  const colours = kind === "curves" ? { ...setting.dark.flat, ...setting.curves } : setting.dark.flat
  const letters = kind === "spectrogram" ? Math.min(factor, 1.25) : factor
  const data = dressed(figure.data, "data", colours, letters)
  const layout = dressed(figure.layout, "layout", colours, letters)
  Object.assign(layout, { height: Math.max(80, place.clientHeight), width: place.clientWidth, autosize: false })
  // The axes of spectrogram and maps agree at both ends.
  if (kind === "spectrogram") Object.assign(layout.margin, scaled(figure.layout.margin, ["l", "r"], factor))
  if (kind === "map" && panels.classList.contains("many")) lowAxis(layout, factor)
  if (kind === "map" || kind === "spectrogram") fitRows(layout, kind)
  return window.Plotly.newPlot(place, data, layout, setting.plot)
}

// --- one slide -----------------------------------------------------------------------------------

const kindOf = (panel) => panel.figure?.layout?.meta?.kind ?? (panel.figure ? "figure" : "table")

// As many columns as leave every figure the most room, wider than high.
function columnsFor(count, width, height) {
  let best = 1, most = 0
  for (let columns = 1; columns <= Math.min(count, 6); columns++) {
    const wide = width / columns, high = height / Math.ceil(count / columns)
    if (wide < 320 && columns > 1) break
    const room = Math.min(wide, 2.2 * high)
    if (room > most * 1.02) [best, most] = [columns, room]
  }
  return best
}

function layOut(shown) {
  const wide = shown.filter((panel) => kindOf(panel) === "spectrogram").length
  const told = shown.filter((panel) => kindOf(panel) === "table").length
  const many = shown.length - wide - told
  const room = panels.clientHeight - 110 * wide - 240 * Math.min(told, many)
  const tables = many === 0
  const columns = tables ? 1 : columnsFor(many, panels.clientWidth, room)
  const rows = Math.max(1, Math.ceil(many / columns))
  const least = tables ? 0 : shown.some((panel) => kindOf(panel) === "map") ? LEAST.map : LEAST.other
  panels.style.setProperty("--columns", columns)
  panels.style.setProperty("--rows", rows)
  panels.style.setProperty("--least", `${least}px`)
  panels.classList.toggle("spectrum", wide > 0)
  panels.classList.toggle("few", rows === 1)
  panels.classList.toggle("many", rows > 1)
  panels.classList.toggle("solo", many === 1)
  panels.classList.toggle("tables", tables)
  return Math.min(FULL_FONT, Math.max(1, room / rows / 400, innerHeight / 850))
}

// What comes from a page was cleaned when it was collected; titles and captions are only text.
function markup(name, html) {
  const part = document.createElement("div")
  part.className = name
  part.innerHTML = html
  return part
}

function drawPanel(panel) {
  const kind = kindOf(panel)
  const box = document.createElement("article")
  box.className = `deck-panel ${kind === "spectrogram" ? "wide" : kind === "table" ? "table" : ""}`
  box.setAttribute("aria-label", panel.name)
  if (panel.head) box.append(markup("deck-over", panel.head))
  if (panel.figure) box.append(Object.assign(document.createElement("div"), { className: "deck-plot" }))
  if (panel.body) box.append(markup("deck-under", panel.body))
  panels.append(box)
  return box
}

async function draw() {
  const slide = set.slides[at]
  for (const old of panels.querySelectorAll(".js-plotly-plot")) window.Plotly.purge(old)
  panels.replaceChildren()
  find("h1").textContent = slide?.title ?? set.title
  find(".deck-caption").textContent = slide?.caption ?? "This presentation has no slides yet."
  hear(slide)
  steps(slide)
  if (!slide) return
  const factor = layOut(slide.panels)
  const boxes = slide.panels.map(drawPanel)
  for (const [number, box] of boxes.entries()) {
    const place = box.querySelector(".deck-plot")
    if (!place) continue
    try {
      await plot(place, slide.panels[number].figure, factor)
    } catch {
      place.textContent = "This figure cannot be drawn."
    }
    if (set.slides[at] !== slide) return
  }
  document.documentElement.dataset.drawn = String(at + 1)
}

// The recording of a slide; on the next slide of the same one the position is kept.
function hear(slide) {
  const sound = set.sounds[slide?.sound]
  deck.classList.toggle("silent", !sound)
  for (const audio of sounds.values()) if (audio !== sounds.get(slide?.sound)) audio.pause()
  if (!sound) return audioBox.replaceChildren()
  if (!sounds.has(slide.sound)) {
    const audio = document.createElement("audio")
    audio.src = `data:audio/ogg;base64,${sound.audio}`
    sounds.set(slide.sound, audio)
  }
  if (audioBox.firstChild !== sounds.get(slide.sound)) audioBox.replaceChildren(sounds.get(slide.sound))
  mount({ parentElement: bar, data: { seconds: sound.seconds, digest: slide.sound, container: "listen", audio: "listen_audio" } })
}

function steps(slide) {
  const count = set.slides.length
  find(".deck-count").textContent = `${count ? at + 1 : 0} / ${count}`
  find("[data-do=back]").disabled = at <= 0
  find("[data-do=on]").disabled = at >= count - 1
  const from = find(".deck-from")
  from.replaceChildren()
  const page = setting.pages[slide?.page]
  if (!page) return
  if (!slide.address || !setting.home) {
    from.textContent = `from ${page.title}`
    return
  }
  const query = new URLSearchParams(slide.address).toString()
  const href = `${setting.home}/${page.path}${query ? `?${query}` : ""}`
  from.append(Object.assign(document.createElement("a"), { href, target: "_blank", rel: "noopener", textContent: `Open in ${page.title}` }))
}

function go(number) {
  const wanted = Math.min(set.slides.length - 1, Math.max(0, number))
  if (wanted === at) return
  at = wanted
  if (parent === window) history.replaceState(null, "", `#${at + 1}`)
  else parent.postMessage({ attnscope: "slide", at }, "*")
  draw()
}

// --- keys and buttons ----------------------------------------------------------------------------

const DOES = {
  back: () => go(at - 1),
  on: () => go(at + 1),
  first: () => go(0),
  last: () => go(set.slides.length - 1),
  play: () => { if (!deck.classList.contains("silent")) find(".attn-play").click() },
  theme: () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark"
    draw()
  },
  down: () => panels.scrollBy({ top: panels.clientHeight / 2 }),
  up: () => panels.scrollBy({ top: -panels.clientHeight / 2 }),
  full: () => {
    if (document.fullscreenElement) document.exitFullscreen()
    else document.documentElement.requestFullscreen?.().catch(() => {})
  },
  leave: () => {
    for (const audio of sounds.values()) audio.pause()
    if (document.fullscreenElement) document.exitFullscreen()
  },
}
const KEYS = {
  ArrowRight: "on", PageDown: "on", " ": "on", ArrowLeft: "back", PageUp: "back", Home: "first", End: "last",
  ArrowDown: "down", ArrowUp: "up",
  f: "full", p: "play", t: "theme", Escape: "leave",
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key
  const onSeek = event.target.classList?.contains("attn-seek")
  if (onSeek && /^(Arrow|Page|Home|End)/.test(name)) return
  if (name === " " && event.target.closest?.("button, a, summary")) return
  const does = name === " " && event.shiftKey ? "back" : KEYS[name]
  if (!does) return
  event.preventDefault()
  event.stopImmediatePropagation()
  DOES[does]()
}

// After a click the keys belong to the slides again, not to what was clicked.
function release(event) {
  if (event.detail && document.activeElement !== document.body) document.activeElement?.blur()
}

function listen() {
  document.addEventListener("keydown", key, { capture: true })
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-do]")
    if (button) DOES[button.dataset.do]()
    release(event)
  })
  document.addEventListener("pointerup", (event) => event.target.classList?.contains("attn-seek") && event.target.blur())
  document.addEventListener("fullscreenchange", () => {
    const full = document.fullscreenElement !== null
    document.documentElement.classList.toggle("attn-full", full)
    find("[data-do=full]").textContent = full ? "Leave full screen" : "Full screen"
  })
  let waiting = 0
  window.addEventListener("resize", () => {
    clearTimeout(waiting)
    waiting = setTimeout(draw, 150)
  })
  window.addEventListener("message", (event) => {
    if (event.source === parent && event.data?.attnscope === "go") go(Number(event.data.at) || 0)
  })
}

async function start() {
  if (typeof DecompressionStream === "undefined") {
    find("h1").textContent = "This browser is too old for this presentation: use a current Chrome, Edge, Firefox or Safari."
    return
  }
  find(".attn-play").title = "Play or pause (P)"
  const [plotly, carried] = await Promise.all([unpacked("attnscope-plotly"), unpacked("attnscope-set")])
  document.head.append(Object.assign(document.createElement("script"), { textContent: plotly }))
  set = JSON.parse(carried)
  listen()
  if (set.slides.length) go((Number.parseInt(location.hash.slice(1), 10) || 1) - 1)
  else draw()
  if (parent !== window) parent.postMessage({ attnscope: "ready" }, "*")
}

start()
