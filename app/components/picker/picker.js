// Shows the page's HTML and reports clicks on what can be chosen; buttons bring the keyboard along.
export default function mount({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".attn-picker")
  if (root.attnShown !== data.html) {
    root.innerHTML = data.html
    root.attnShown = data.html
  }
  root.onclick = (event) => {
    const target = event.target.closest("[data-pick]")
    if (target) setTriggerValue("pick", target.dataset.pick)
  }
}
