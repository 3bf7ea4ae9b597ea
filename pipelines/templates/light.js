// One picture as large as the window; the arrows go to the others of the same image.
const light = (() => {
  const dialog = element("light");
  let images = [];
  let at = 0;

  function put(index) {
    at = (index + images.length) % images.length;
    const [label, ...name] = images[at].alt.split(" of ");
    element("light-image").src = images[at].src;
    element("light-image").alt = images[at].alt;
    element("light-label").textContent = label;
    element("light-name").textContent = name.join(" of ");
  }

  function open(index) {
    images = [...document.querySelectorAll("#triptych img:not(.heat, [hidden])")];
    if (!images.length) return;
    put(index < 0 ? images.length - 1 : index);
    dialog.showModal();
  }

  element("triptych").addEventListener("click", (event) => {
    const image = event.target.closest("button.frame")?.querySelector("img");
    if (image) open([...document.querySelectorAll("#triptych img:not(.heat, [hidden])")].indexOf(image));
  });
  dialog.addEventListener("click", () => dialog.close());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") put(at + 1);
    if (event.key === "ArrowLeft") put(at - 1);
    event.stopPropagation();
  });
  return { open };
})();
