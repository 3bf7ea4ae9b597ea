// A clip: source and result in step, and the shots of it as a line that can be clicked.
const clip = (() => {
  const box = element("clip");
  const [source, result] = [element("clip-source"), element("clip-result")];
  const seek = element("seek");
  const { make } = list;
  let row = null;

  const minutes = (s) => `${Math.floor(s / 60)}:${(s % 60).toFixed(1).padStart(4, "0")}`;

  function at(seconds) {
    for (const video of [source, result]) video.currentTime = seconds;
    tell(seconds);
  }

  function tell(seconds) {
    seek.value = String(seconds);
    element("clock").textContent = `${minutes(seconds)} of ${minutes(row.clip.seconds)}`;
    seek.setAttribute("aria-valuetext", element("clock").textContent);
    const now = row.clip.shots.findLastIndex(([start]) => start <= seconds + 0.01);
    [...element("timeline").children].forEach((shot, index) => shot.setAttribute("aria-current", String(index === now)));
  }

  function toggle() {
    if (box.hidden) return;
    if (result.paused) for (const video of [source, result]) video.play().catch(() => {});
    else for (const video of [source, result]) video.pause();
  }

  function shotButton([start, stop, p, isFlagged, reason], index) {
    const shot = make("button", isFlagged ? "shot flagged" : "shot");
    shot.type = "button";
    shot.style.flexGrow = String(Math.max(stop - start, 0.01));
    const judged = isFlagged ? `flagged: ${words(reason)}, ${pWords(p)}` : pWords(p);
    shot.title = `Shot ${index + 1}, ${minutes(start)} to ${minutes(stop)}, ${judged}`;
    shot.setAttribute("aria-label", shot.title);
    shot.addEventListener("click", () => at(start));
    return shot;
  }

  function show(chosen) {
    for (const video of [source, result]) { video.pause(); video.removeAttribute("src"); }
    row = chosen;
    const addresses = ["photo", row?.status === "quarantined" ? "first" : "delivered"]
      .map((role) => row?.pictures?.find((picture) => picture.role === role)?.video);
    box.hidden = !row?.clip;
    if (box.hidden) return;
    element("clip-lost").hidden = addresses.every(Boolean);
    element("reel").hidden = !addresses.every(Boolean);
    [source.src, result.src] = addresses.map((address) => address ?? "");
    seek.max = String(row.clip.seconds);
    element("timeline").replaceChildren(...row.clip.shots.map(shotButton));
    const flagged = row.clip.shots.filter(([, , , isFlagged]) => isFlagged).length;
    element("shots").textContent = `${row.clip.shots.length} ${row.clip.shots.length === 1 ? "shot" : "shots"}, ${flagged} flagged`;
    tell(0);
  }

  result.addEventListener("timeupdate", () => {
    if (Math.abs(source.currentTime - result.currentTime) > 0.08 && !source.seeking) source.currentTime = result.currentTime;
    tell(result.currentTime);
  });
  for (const kind of ["play", "pause", "ended"]) {
    result.addEventListener(kind, () => { element("play-word").textContent = result.paused ? "Play" : "Pause"; });
  }
  result.addEventListener("ended", () => source.pause());
  for (const video of [source, result]) {
    video.addEventListener("error", () => { if (video.getAttribute("src")) element("clip-lost").hidden = false; });
  }
  seek.addEventListener("input", () => at(Number(seek.value)));
  element("play").addEventListener("click", toggle);
  return { show, toggle };
})();
