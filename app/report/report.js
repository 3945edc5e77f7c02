// Hear a map where it is clicked; a word where it was read. Everything works without this script but the hearing.
for (const box of document.querySelectorAll(".case")) {
  const audio = box.querySelector("audio");
  if (!audio) continue;
  box.classList.add("has-sound");
  let until = null;
  const play = (from, to) => {
    audio.currentTime = Math.max(0, from);
    until = to;
    audio.play();
  };
  const move = () => {
    for (const map of box.querySelectorAll(".map")) {
      const { left, scale, start } = map.dataset;
      const x = Number(left) + (audio.currentTime - start) * scale;
      const line = map.querySelector(".cursor");
      line.setAttribute("x1", x);
      line.setAttribute("x2", x);
    }
    if (until !== null && audio.currentTime >= until) {
      until = null;
      audio.pause();
    }
    if (!audio.paused) requestAnimationFrame(move);
  };
  for (const event of ["play", "seeked"]) audio.addEventListener(event, move);
  for (const map of box.querySelectorAll(".map")) {
    map.addEventListener("click", (event) => {
      const { left, scale, start } = map.dataset;
      const inside = map.getBoundingClientRect();
      const x = ((event.clientX - inside.left) / inside.width) * map.viewBox.baseVal.width;
      play(Number(start) + (x - left) / scale, null);
    });
  }
  for (const button of box.querySelectorAll("button[data-from]")) {
    button.addEventListener("click", () => play(Number(button.dataset.from), Number(button.dataset.to)));
  }
}
