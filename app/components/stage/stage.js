// A frame with a presentation's page. A changed presentation goes on at the slide that was on show.
const shown = new WeakMap()

function framed(root) {
  const frame = document.createElement("iframe")
  frame.title = "Presentation"
  frame.setAttribute("sandbox", "allow-scripts allow-popups allow-popups-to-escape-sandbox")
  frame.allow = "fullscreen *; autoplay *"
  frame.allowFullscreen = true
  root.replaceChildren(frame)
  const state = { frame, html: null, wanted: null, at: 0 }
  state.go = () => frame.contentWindow?.postMessage({ attnscope: "go", at: state.at }, "*")
  state.heard = (event) => {
    if (!root.isConnected) return window.removeEventListener("message", state.heard)
    if (event.source !== frame.contentWindow) return
    if (event.data?.attnscope === "slide" && state.ready) state.at = Number(event.data.at) || 0
    if (event.data?.attnscope === "ready") {
      state.ready = true
      state.go()
    }
  }
  window.addEventListener("message", state.heard)
  return state
}

export default function mount({ parentElement, data }) {
  const root = parentElement.querySelector(".attn-stage")
  if (!shown.has(root)) shown.set(root, framed(root))
  const state = shown.get(root)
  const colours = parentElement.querySelector(".attn-stage-colours")
  if (colours.innerHTML !== data.colours) colours.innerHTML = data.colours
  if (state.wanted !== data.at) {
    state.wanted = data.at
    state.at = data.at
    state.go()
  }
  if (state.html !== data.html) {
    state.html = data.html
    state.ready = false
    state.frame.srcdoc = data.html
  }
}
