// A clip: source and result in step, and the shots of it as a line that can be clicked.
const clip = (() => {
  const box = element("clip");
  const [source, result] = [element("clip-source"), element("clip-result")];
  const [still, which] = [element("clip-gif"), element("which")];
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

  function judgement(p, isFlagged, reason, strategy) {
    if (isFlagged) return `flagged: ${words(reason)}, ${pWords(p)}`;
    return strategy ? `made again (${words(strategy)}), was flagged: ${words(reason)}, now ${pWords(p)}` : pWords(p);
  }

  function shotButton([start, stop, p, isFlagged, reason, strategy], index) {
    const shot = make("button", `shot${isFlagged ? " flagged" : ""}${strategy ? " mended" : ""}`, isFlagged ? "!" : "");
    shot.type = "button";
    shot.style.flexGrow = String(Math.max(stop - start, 0.01));
    const judged = judgement(p, isFlagged, reason, strategy);
    shot.title = `Shot ${index + 1}, ${minutes(start)} to ${minutes(stop)}, ${judged}`;
    shot.setAttribute("aria-label", shot.title);
    shot.addEventListener("click", () => at(start));
    return shot;
  }

  function addressOf(role) {
    return row.pictures?.find((picture) => picture.role === role)?.video;
  }

  // Which output is played: the delivered one, or the first that it has replaced.
  function load(role) {
    const addresses = [addressOf("photo"), addressOf(role)];
    element("clip-lost").hidden = addresses.every(Boolean);
    element("reel").hidden = !addresses.every(Boolean);
    const isGif = /\.gif$/i.test(addresses[0] ?? "");  // a video element plays none
    [source.hidden, still.hidden] = [isGif, !isGif];
    still.src = isGif ? addresses[0] : "data:,";
    source.src = isGif ? "" : addresses[0] ?? "";
    if (isGif) source.removeAttribute("src");
    result.src = addresses[1] ?? "";
    element("clip-role").textContent = role === "first" && row.status === "corrected" ? "First output" : "Result";
    which.dataset.role = role;
    which.setAttribute("aria-pressed", String(role === "first"));
  }

  function show(chosen) {
    for (const video of [source, result]) { video.pause(); video.removeAttribute("src"); }
    row = chosen;
    box.hidden = !row?.clip;
    if (box.hidden) return;
    which.hidden = row.status !== "corrected";
    load(row.status === "quarantined" ? "first" : "delivered");
    seek.max = String(row.clip.seconds);
    element("timeline").replaceChildren(...row.clip.shots.map(shotButton));
    const count = (n, what) => `${n} ${what}`;
    const flagged = row.clip.shots.filter(([, , , isFlagged]) => isFlagged).length;
    const mended = row.clip.shots.filter((shot) => shot[5]).length;
    const shots = count(row.clip.shots.length, row.clip.shots.length === 1 ? "shot" : "shots");
    element("shots").textContent = [shots, count(flagged, "flagged"), ...(mended ? [count(mended, "made again")] : [])].join(", ");
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
  which.addEventListener("click", () => {
    const seconds = result.currentTime;
    load(which.dataset.role === "first" ? "delivered" : "first");
    result.addEventListener("loadedmetadata", () => at(seconds), { once: true });
  });
  return { show, toggle };
})();
